/* SPDX-License-Identifier: MIT */
/* crossdock-worker: slots that run tasks on this host. */
#include "agent.h"
#include "base/bytes.h"
#include "options.h"
#include "slot.h"

int main(int argc, char **argv)
{
    struct xdw_options options;
    xd_keep_memory(XD_KEPT_OF_PAYLOADS);
    xdw_options_parse(&options, argc, argv);
    return options.slot ? xdw_slot_run(&options) : xdw_agent_run(&options);
}

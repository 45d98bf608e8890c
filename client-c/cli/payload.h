/* SPDX-License-Identifier: MIT */
/* Payloads between the command line and files: TAG=FILE and TAG:TEXT in, files out. */
#ifndef XD_CLI_PAYLOAD_H
#define XD_CLI_PAYLOAD_H

#include "cli.h"

/* One payload of a submission, with what has to be freed. */
struct cli_payload {
    struct xd_bytes *bytes;
    char *tag; /* NULL: none */
};

/* Does `argument` have the form TAG=FILE or TAG:TEXT? Nothing is opened. */
bool cli_payload_is_argument(const char *argument);

/* Read what `argument` names ("-": standard input). CLI_DONE and *out, or the exit code
 * after saying why. */
int cli_payload_read(const char *argument, struct cli_payload *out);

void cli_payload_clear(struct cli_payload *payload);

/* Write `bytes` to a new file "result-NUMBER.TAG" in `folder`, which is made when
 * missing. No file is ever overwritten: when the name is taken, "result-NUMBER-2.TAG" and
 * so on. CLI_DONE and the path in `path`, or the exit code after saying why. */
int cli_payload_write(const char *folder,
                      size_t number,
                      const char *tag,
                      const struct xd_bytes *bytes,
                      char *path,
                      size_t path_room);

#endif

/* SPDX-License-Identifier: MIT */
/* Setups as the application has them. */
#include "client.h"

enum xd_err xd_setup_new(struct xd_client *client,
                         const struct xd_payload *payloads,
                         size_t count,
                         struct xd_setup **out,
                         struct xd_error *error)
{
    enum xd_err err = xd_client_state(client, error);
    if (err != XD_OK) {
        return err;
    }
    xd_pump_lock(&client->pump);
    struct xd_setup *setup;
    err = xd_client_core_setup(&client->core, payloads, count, &setup, error);
    if (err == XD_OK) {
        setup->client = client;
        atomic_fetch_add(&client->refs, 1);
        *out = setup;
    }
    xd_pump_unlock(&client->pump);
    return err;
}

void xd_setup_free(struct xd_setup *setup)
{
    if (setup == NULL) {
        return;
    }
    struct xd_client *client = setup->client;
    unsigned freed = 1;
    if (xd_origin_is_here(&client->origin)) {
        xd_pump_lock(&client->pump);
        xd_client_core_setup_release(&client->core, setup);
        xd_client_attend(client);
        freed = xd_client_reap(client);
        xd_pump_unlock(&client->pump);
    } else {
        xd_setup_destroy(setup); /* a copy: its lists are nobody's */
    }
    xd_client_unref(client, freed);
}

/* SPDX-License-Identifier: MIT */
/* submit ADDRESS TEXT: send TEXT to the handler "echo" and print what comes back. */
#include <stdio.h>

#include "crossdock.h"

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "submit: %s: %s\n", what, why);
    return 1;
}

static int print_result(struct xd_future *future)
{
    if (xd_future_outcome(future) != XD_OUTCOME_DONE) {
        return complain(xd_outcome_name(xd_future_outcome(future)),
                        xd_future_error(future));
    }
    const struct xd_result *result = xd_future_result(future, 0);
    for (size_t i = 0; i < result->frame_count; i++) {
        const struct xd_bytes *bytes = result->frames[i].bytes;
        printf("%.*s\n", (int)bytes->size, (const char *)bytes->data);
    }
    return 0;
}

static int submit(struct xd_client *client, const char *text)
{
    struct xd_error error;
    struct xd_bytes *bytes;
    struct xd_future *future;
    if (xd_bytes_text(text, &bytes)) {
        return complain("submit", "no memory");
    }
    const struct xd_payload argument = {.bytes = bytes, .tag = "text"};
    const struct xd_call call = {.callee = "echo",
                                 .payloads = &argument,
                                 .payload_count = 1};
    enum xd_err err = xd_submit(client, &call, &future, &error);
    xd_bytes_unref(bytes); /* the library has its own reference */
    if (err) {
        return complain("submit", error.text);
    }
    err = xd_future_wait(future, -1);
    int status = err ? complain("wait", xd_err_text(err)) : print_result(future);
    xd_future_free(future);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return complain("usage", "submit ADDRESS TEXT");
    }
    struct xd_error error;
    struct xd_client *client;
    const struct xd_client_options options = {.address = argv[1]};
    if (xd_client_connect(&options, &client, &error)) {
        return complain("connect", error.text);
    }
    int status = submit(client, argv[2]);
    xd_client_close(client);
    return status;
}

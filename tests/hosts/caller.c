/* SPDX-License-Identifier: MIT */
/* A client that does what its standard input says, a line at a time, and says on its
 * output how each task ended:
 *   call ID CALLEE [TEXT]     a task with one text, or none
 *   send ID CALLEE BYTES      a task with so many bytes
 *   counter NAME              a number of the broker's status
 * Answers: "ready", "ID OUTCOME MS SIZE TEXT", "counter NAME NUMBER", "gone WHY". A value
 * of the size that was sent is "same" or "different" from what was sent. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crossdock.h"

enum { LINE_ROOM = 512, TEXT_ROOM = 200 };

struct call {
    char id[64];
    struct timespec begun;
    struct xd_bytes *sent;
};

static double ms_since(const struct timespec *begun)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begun->tv_sec) * 1e3 +
           (double)(now.tv_nsec - begun->tv_nsec) / 1e6;
}

/* What came back, in one word or as its text. */
static void describe(const struct call *call,
                     const struct xd_bytes *value,
                     char out[TEXT_ROOM])
{
    if (value->size < TEXT_ROOM - 1) {
        (void)
            snprintf(out, TEXT_ROOM, "%.*s", (int)value->size, (const char *)value->data);
    } else if (value->size != call->sent->size) {
        (void)snprintf(out, TEXT_ROOM, "bytes");
    } else {
        bool same = memcmp(value->data, call->sent->data, value->size) == 0;
        (void)snprintf(out, TEXT_ROOM, same ? "same" : "different");
    }
}

static void tell(struct xd_future *future)
{
    struct call *call = xd_future_context(future);
    char text[TEXT_ROOM] = "";
    size_t size = 0;
    const struct xd_result *result =
        xd_future_parts(future) > 0 ? xd_future_result(future, 0) : NULL;
    enum xd_outcome outcome = xd_future_outcome(future);
    if (outcome != XD_OUTCOME_DONE) {
        (void)snprintf(text, sizeof text, "%s", xd_future_error(future));
    } else if (result != NULL && result->frame_count > 0) {
        size = result->frames[0].bytes->size;
        describe(call, result->frames[0].bytes, text);
    }
    printf("%s %s %.1f %zu %s\n",
           call->id,
           xd_outcome_name(outcome),
           ms_since(&call->begun),
           size,
           text);
    xd_bytes_unref(call->sent);
    free(call);
    xd_future_free(future);
}

/* Byte i is i modulo 251, so that a shifted piece shows. */
static struct xd_bytes *pattern(size_t size)
{
    struct xd_bytes *bytes;
    uint8_t *room;
    if (xd_bytes_room(size, &room, &bytes) != XD_OK) {
        return NULL;
    }
    for (size_t i = 0; i < size; i++) {
        room[i] = (uint8_t)(i % 251);
    }
    return bytes;
}

/* Takes `bytes`. */
static void submit(struct xd_client *client,
                   const char *id,
                   const char *callee,
                   const char *tag,
                   struct xd_bytes *bytes)
{
    struct xd_payload payload = {.bytes = bytes, .tag = tag};
    struct xd_call what = {.callee = callee,
                           .payloads = &payload,
                           .payload_count = bytes != NULL};
    struct call *call = calloc(1, sizeof *call);
    struct xd_future *future;
    struct xd_error why = {""};
    if (call == NULL || xd_submit(client, &what, &future, &why) != XD_OK) {
        printf("gone %s\n", why.text);
        xd_bytes_unref(bytes);
        free(call);
        return;
    }
    (void)snprintf(call->id, sizeof call->id, "%s", id);
    clock_gettime(CLOCK_MONOTONIC, &call->begun);
    call->sent = bytes;
    xd_future_set_context(future, call);
}

static void counter(struct xd_client *client, const char *name)
{
    char key[80];
    struct xd_bytes *json;
    struct xd_error why = {""};
    if (xd_admin(client, "status", NULL, 0, 5000, &json, &why) != XD_OK) {
        printf("gone %s\n", why.text);
    } else {
        (void)snprintf(key, sizeof key, "\"%s\":", name);
        const char *at = memmem(json->data, json->size, key, strlen(key));
        long long value = at == NULL ? -1 : strtoll(at + strlen(key), NULL, 10);
        printf("counter %s %lld\n", name, value);
        xd_bytes_unref(json);
    }
}

static void obey(struct xd_client *client, const char *line)
{
    char verb[16] = "", id[64] = "", callee[64] = "", text[TEXT_ROOM] = "";
    int words = sscanf(line, "%15s %63s %63s %199s", verb, id, callee, text);
    struct xd_bytes *bytes = NULL;
    if (strcmp(verb, "counter") == 0) {
        counter(client, id);
    } else if (strcmp(verb, "send") == 0 && words == 4) {
        bytes = pattern(strtoull(text, NULL, 10));
        submit(client, id, callee, "raw", bytes);
    } else if (strcmp(verb, "call") == 0 && words >= 3) {
        if (words == 4 && xd_bytes_text(text, &bytes) != XD_OK) {
            exit(1);
        }
        submit(client, id, callee, "text", bytes);
    } else {
        printf("what? %s\n", line);
    }
}

/* What came on standard input, line by line; false: its end. */
static bool read_lines(struct xd_client *client)
{
    static char room[LINE_ROOM];
    static size_t used;
    ssize_t got = read(STDIN_FILENO, room + used, sizeof room - used);
    if (got <= 0) {
        return false;
    }
    used += (size_t)got;
    char *end;
    while ((end = memchr(room, '\n', used)) != NULL) {
        *end++ = '\0';
        obey(client, room);
        used -= (size_t)(end - room);
        memmove(room, end, used);
    }
    return used < sizeof room;
}

static void tell_all(struct xd_client *client)
{
    struct xd_future *future;
    while (xd_client_next(client, &future) == XD_OK) {
        tell(future);
    }
}

static void serve(struct xd_client *client)
{
    struct xd_error why = {""};
    struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {xd_client_fd(client), POLLIN, 0}};
    bool go_on = true;
    while (go_on && poll(fds, 2, -1) >= 0) {
        if (fds[0].revents != 0) {
            go_on = read_lines(client);
        }
        tell_all(client);
        if (xd_client_state(client, &why) != XD_OK) {
            tell_all(client);
            printf("gone %s\n", why.text);
            return;
        }
    }
}

int main(void)
{
    struct xd_client *client;
    struct xd_error why = {""};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (xd_client_connect(NULL, &client, &why) != XD_OK) {
        printf("gone %s\n", why.text);
        return 1;
    }
    puts("ready");
    serve(client);
    xd_client_close(client);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* The end of a task, as text and files or as one JSON object. */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "payload.h"
#include "report.h"

/* The class tag ended by NUL; "" when there is none. */
static void tag_text(const struct xd_frame *frame, char *out, size_t room)
{
    size_t size = frame->tag == NULL ? 0 : frame->tag->size;
    size = size < room ? size : room - 1;
    if (size > 0) {
        memcpy(out, frame->tag->data, size);
    }
    out[size] = '\0';
}

static int exit_of(enum xd_outcome outcome)
{
    switch (outcome) {
    case XD_OUTCOME_DONE:
        return CLI_DONE;
    case XD_OUTCOME_BROKER_GONE:
        return CLI_NO_BROKER;
    default:
        return CLI_TASK_ENDED_OTHERWISE;
    }
}

static int show_frame(const struct cli_report *report,
                      const struct xd_frame *frame,
                      size_t number)
{
    char tag[256], path[PATH_MAX];
    tag_text(frame, tag, sizeof tag);
    if (strcmp(tag, "text") == 0) {
        const struct xd_bytes *text = frame->bytes;
        fwrite(text->data, 1, text->size, stdout);
        if (text->size == 0 || text->data[text->size - 1] != '\n') {
            putchar('\n');
        }
        return cli_finish_output();
    }
    int code = cli_payload_write(report->folder,
                                 number,
                                 tag[0] == '\0' ? "bin" : tag,
                                 frame->bytes,
                                 path,
                                 sizeof path);
    if (code == CLI_DONE) {
        fprintf(stderr,
                "wrote %s (%s%s, %zu bytes)\n",
                path,
                tag[0] == '\0' ? "no class" : "class ",
                tag,
                frame->bytes->size);
    }
    return code;
}

static int show(const struct cli_report *report, const struct xd_future *future)
{
    const struct xd_result *result = xd_future_result(future, 0);
    enum xd_outcome outcome = xd_future_outcome(future);
    int code = CLI_DONE;

    if (report->verbose) {
        fprintf(stderr,
                "%s after running %.3f ms\n",
                xd_outcome_name(outcome),
                (double)result->run_ns / 1e6);
    }
    for (size_t i = 0; i < result->frame_count && code == CLI_DONE; i++) {
        code = show_frame(report, &result->frames[i], i + 1);
    }
    if (code == CLI_DONE && outcome != XD_OUTCOME_DONE) {
        const char *why = xd_future_error(future);
        code = cli_fail(CLI_DONE,
                        "the task ended as %s%s%s",
                        xd_outcome_name(outcome),
                        why[0] == '\0' ? "" : ": ",
                        why);
    }
    return code;
}

/* {"tag", "bytes", and "text" or "file"}; NULL after saying why. */
static json_t *frame_json(const struct cli_report *report,
                          const struct xd_frame *frame,
                          size_t number)
{
    char tag[256], path[PATH_MAX];
    tag_text(frame, tag, sizeof tag);
    const struct xd_bytes *bytes = frame->bytes;
    json_t *row = json_pack("{s:s, s:I}", "tag", tag, "bytes", (json_int_t)bytes->size);
    if (row == NULL) {
        return NULL;
    }
    /* NULL when it is not UTF-8: then it goes to a file like everything else */
    json_t *text = strcmp(tag, "text") == 0
                       ? json_stringn((const char *)bytes->data, bytes->size)
                       : NULL;
    if (text != NULL) {
        json_object_set_new(row, "text", text);
        return row;
    }
    int code = cli_payload_write(report->folder,
                                 number,
                                 tag[0] == '\0' ? "bin" : tag,
                                 bytes,
                                 path,
                                 sizeof path);
    if (code != CLI_DONE || json_object_set_new(row, "file", json_string(path)) != 0) {
        json_decref(row);
        return NULL;
    }
    return row;
}

static json_t *frames_json(const struct cli_report *report,
                           const struct xd_result *result)
{
    json_t *rows = json_array();
    for (size_t i = 0; rows != NULL && i < result->frame_count; i++) {
        json_t *row = frame_json(report, &result->frames[i], i + 1);
        if (row == NULL || json_array_append_new(rows, row) != 0) {
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}

static int show_json(const struct cli_report *report, const struct xd_future *future)
{
    const struct xd_result *result = xd_future_result(future, 0);
    char id[CLI_ID_BYTES];
    cli_id_text(xd_future_id(future), id);
    json_t *results = frames_json(report, result);
    if (results == NULL) {
        return cli_fail(CLI_SYSTEM, "the results could not be written");
    }
    json_t *answer = json_pack("{s:s, s:s, s:s, s:f, s:o}",
                               "id",
                               id,
                               "outcome",
                               xd_outcome_name(xd_future_outcome(future)),
                               "error",
                               xd_future_error(future),
                               "run_ms",
                               (double)result->run_ns / 1e6,
                               "results",
                               results);
    if (answer == NULL || json_dumpf(answer, stdout, JSON_INDENT(2)) != 0) {
        json_decref(answer);
        return cli_fail(CLI_SYSTEM, "the results could not be written");
    }
    json_decref(answer);
    putchar('\n');
    return cli_finish_output();
}

int cli_report(const struct cli_report *report, const struct xd_future *future)
{
    int code = report->json ? show_json(report, future) : show(report, future);
    return code != CLI_DONE ? code : exit_of(xd_future_outcome(future));
}

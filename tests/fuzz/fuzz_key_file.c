/* SPDX-License-Identifier: MIT */
/* Fuzz target: the text of a key's file; the keys that are read must be read again from
 * what is written of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire/cert.h"

static void must(bool claim, const char *what)
{
    if (!claim) {
        fprintf(stderr, "fuzz_key_file: %s\n", what);
        abort();
    }
}

/* Settings until the end or the first error; the last keys of "curve" are in `pair`. */
static enum xd_err read_all(char *text, size_t size, struct xd_key_pair *pair)
{
    struct xd_cert_reader reader;
    struct xd_cert_item item;
    struct xd_error error = {""};
    enum xd_err err;
    memset(pair, 0, sizeof *pair);
    xd_cert_reader_init(&reader, text);
    for (size_t items = 0; (err = xd_cert_next(&reader, &item, &error)) == XD_OK;) {
        must(++items <= size, "more settings than bytes");
        must(item.name >= text && item.name + strlen(item.name) <= text + size,
             "a name outside the text");
        must(item.value >= text && item.value + strlen(item.value) <= text + size,
             "a value outside the text");
        if (item.in_curve && xd_cert_take_key(&item, pair, &error) != XD_OK) {
            must(error.text[0] != '\0', "a key refused without a word");
            return XD_ERR_INVALID;
        }
    }
    must(err == XD_ERR_NOT_FOUND || error.text[0] != '\0', "refused without a word");
    return err == XD_ERR_NOT_FOUND ? XD_OK : err;
}

static void check_again(const struct xd_key_pair *pair)
{
    struct xd_cert_writer writer;
    struct xd_key_pair again;
    xd_cert_write_start(&writer, "again");
    xd_cert_write_keys(&writer, pair);
    must(!writer.is_cut, "a pair of keys does not fit a file");
    must(read_all(writer.text, writer.used, &again) == XD_OK,
         "written, but not read again");
    must(memcmp(pair, &again, sizeof again) == 0, "differs after writing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[XD_KEY_FILE_ROOM];
    struct xd_key_pair pair;
    size = size < sizeof text - 1 ? size : sizeof text - 1;
    memcpy(text, data, size);
    text[size] = '\0';
    size = strlen(text); /* a file with a NUL in it is not read at all */
    if (read_all(text, size, &pair) == XD_OK && pair.public_key[0] != '\0') {
        check_again(&pair);
    }
    return 0;
}

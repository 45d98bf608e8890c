/* SPDX-License-Identifier: MIT */
/* The registry of codecs. */
#include <criterion/criterion.h>

#include "base/alloc.h"
#include "crossdock_codec.h"

static struct xd_registry *registry;
static int released;

static void begin(void)
{
    cr_assert_eq(xd_registry_new(&registry), XD_OK);
}

static void end(void)
{
    xd_registry_free(registry);
}

TestSuite(codec, .init = begin, .fini = end);

static struct xd_frame frame_of(const char *tag, const void *data, size_t size)
{
    struct xd_frame frame = {.role = XD_FRAME_OBJECT, .size = size};
    cr_assert_eq(xd_bytes_text(tag, &frame.tag), XD_OK);
    cr_assert_eq(xd_bytes_copy(data, size, &frame.bytes), XD_OK);
    return frame;
}

/* A codec for int: its bytes; refuses negative ones. */
static enum xd_err int_encode(void *context,
                              const void *object,
                              struct xd_bytes **out,
                              struct xd_error *error)
{
    (void)context;
    const int *value = object;
    if (*value < 0) {
        return xd_fail(error, XD_ERR_INVALID, "%d is negative", *value);
    }
    return xd_bytes_copy(value, sizeof *value, out);
}

static enum xd_err int_decode(void *context,
                              struct xd_bytes *bytes,
                              void **out,
                              struct xd_error *error)
{
    (void)error;
    if (bytes->size != sizeof(int)) {
        return XD_ERR_SYSTEM; /* a codec that says no more */
    }
    memcpy(context, bytes->data, sizeof(int));
    *out = context;
    return XD_OK;
}

static void int_release(void *context, void *object)
{
    cr_assert_eq(context, object);
    released++;
}

static int storage;
static const struct xd_codec int_codec =
    {"int", int_encode, int_decode, int_release, &storage, 0};

Test(codec, text_goes_there_and_back)
{
    struct xd_bytes *bytes;
    struct xd_error error = {""};
    cr_assert_eq(xd_encode(registry, "text", "gr\xc3\xbc\xc3\x9f", &bytes, &error),
                 XD_OK);
    struct xd_frame frame = frame_of("text", bytes->data, bytes->size);
    void *object;
    cr_assert_eq(xd_decode(registry, &frame, &object, &error), XD_OK);
    cr_assert_str_eq(object, "gr\xc3\xbc\xc3\x9f");
    xd_release(registry, "text", object);
    xd_bytes_unref(bytes);
    xd_frame_clear(&frame);
}

Test(codec, text_that_is_none_is_refused)
{
    struct xd_bytes *bytes;
    struct xd_error error;
    cr_assert_eq(xd_encode(registry, "text", "\xff", &bytes, &error), XD_ERR_CODEC);
    cr_assert_str_eq(error.text, "encode \"text\": not valid UTF-8");
    struct xd_frame frame = frame_of("text", "a\0b", 3);
    void *object;
    cr_assert_eq(xd_decode(registry, &frame, &object, &error), XD_ERR_CODEC);
    xd_frame_clear(&frame);
}

Test(codec, raw_shares_the_bytes)
{
    struct xd_frame frame = frame_of("raw", "abc", 3);
    void *object;
    cr_assert_eq(xd_decode(registry, &frame, &object, NULL), XD_OK);
    cr_assert_eq(object, frame.bytes);
    struct xd_bytes *bytes;
    cr_assert_eq(xd_encode(registry, "raw", object, &bytes, NULL), XD_OK);
    cr_assert_eq(bytes, frame.bytes);
    xd_bytes_unref(bytes);
    xd_release(registry, "raw", object);
    cr_assert_eq(atomic_load(&frame.bytes->refs), 1);
    xd_frame_clear(&frame);
}

Test(codec, own_codec_is_called_with_its_context)
{
    cr_assert_eq(xd_registry_add(registry, &int_codec, NULL), XD_OK);
    int five = 5;
    struct xd_bytes *bytes;
    cr_assert_eq(xd_encode(registry, "int", &five, &bytes, NULL), XD_OK);
    struct xd_frame frame = frame_of("int", bytes->data, bytes->size);
    void *object;
    cr_assert_eq(xd_decode(registry, &frame, &object, NULL), XD_OK);
    cr_assert_eq(*(int *)object, 5);
    xd_release(registry, "int", object);
    cr_assert_eq(released, 1);
    xd_release(registry, "int", NULL);
    cr_assert_eq(released, 1);
    xd_bytes_unref(bytes);
    xd_frame_clear(&frame);
}

Test(codec, failure_names_tag_side_and_reason)
{
    cr_assert_eq(xd_registry_add(registry, &int_codec, NULL), XD_OK);
    struct xd_error error;
    struct xd_bytes *bytes;
    int bad = -3;
    cr_assert_eq(xd_encode(registry, "int", &bad, &bytes, &error), XD_ERR_CODEC);
    cr_assert_str_eq(error.text, "encode \"int\": -3 is negative");
    struct xd_frame frame = frame_of("int", "abc", 3);
    void *object;
    cr_assert_eq(xd_decode(registry, &frame, &object, &error), XD_ERR_CODEC);
    cr_assert_str_eq(error.text, "decode \"int\": the operating system refused");
    xd_frame_clear(&frame);
}

Test(codec, unknown_tag_is_named)
{
    struct xd_error error;
    struct xd_frame frame = frame_of("torch", "abc", 3);
    void *object;
    cr_assert_eq(xd_decode(registry, &frame, &object, &error), XD_ERR_NO_CODEC);
    cr_assert_str_eq(error.text, "no codec for class \"torch\"");
    xd_frame_clear(&frame);
}

Test(codec, frame_without_a_tag_has_no_codec)
{
    struct xd_frame frame = {.role = XD_FRAME_BODY};
    void *object;
    cr_assert_eq(xd_decode(registry, &frame, &object, NULL), XD_ERR_NO_CODEC);
}

Test(codec, a_second_one_for_a_tag_replaces_the_first)
{
    struct xd_codec other = int_codec;
    other.tag = "text";
    cr_assert_eq(xd_registry_add(registry, &other, NULL), XD_OK);
    int five = 5;
    struct xd_bytes *bytes;
    cr_assert_eq(xd_encode(registry, "text", &five, &bytes, NULL), XD_OK);
    cr_assert_eq(bytes->size, sizeof five);
    xd_bytes_unref(bytes);
}

Test(codec, each_version_decodes_its_own_and_the_newest_encodes)
{
    static int old_storage;
    struct xd_codec old = int_codec, newer = int_codec;
    old.context = &old_storage;
    newer.version = 2;
    cr_assert_eq(xd_registry_add(registry, &newer, NULL), XD_OK);
    cr_assert_eq(xd_registry_add(registry, &old, NULL), XD_OK);
    int five = 5;
    struct xd_payload payload;
    cr_assert_eq(xd_encode_payload(registry, "int", &five, &payload, NULL), XD_OK);
    cr_assert_eq(payload.codec, 2);
    cr_assert_str_eq(payload.tag, "int");
    struct xd_frame frame = frame_of("int", payload.bytes->data, payload.bytes->size);
    void *object;
    frame.codec = 2;
    cr_assert_eq(xd_decode(registry, &frame, &object, NULL), XD_OK);
    cr_assert_eq(object, &storage);
    frame.codec = 0;
    cr_assert_eq(xd_decode(registry, &frame, &object, NULL), XD_OK);
    cr_assert_eq(object, &old_storage);
    xd_bytes_unref(payload.bytes);
    xd_frame_clear(&frame);
}

Test(codec, another_version_is_refused_and_named_with_ours)
{
    struct xd_codec newer = int_codec;
    struct xd_error error;
    newer.version = 2;
    cr_assert_eq(xd_registry_add(registry, &newer, NULL), XD_OK);
    struct xd_frame frame = frame_of("int", "abcd", 4);
    void *object = NULL;
    frame.codec = 3;
    cr_assert_eq(xd_decode(registry, &frame, &object, &error), XD_ERR_NO_CODEC);
    cr_assert_str_eq(error.text,
                     "decode \"int\": the other side encoded it with version 3 of the "
                     "class's codec, this side has version 2");
    cr_assert_null(object);
    xd_frame_clear(&frame);
}

Test(codec, incomplete_codec_is_refused)
{
    struct xd_codec bad = int_codec;
    bad.release = NULL;
    cr_assert_eq(xd_registry_add(registry, &bad, NULL), XD_ERR_INVALID);
    bad = int_codec;
    bad.tag = "with \"quotes\"";
    cr_assert_eq(xd_registry_add(registry, &bad, NULL), XD_ERR_INVALID);
    bad.tag = NULL;
    cr_assert_eq(xd_registry_add(registry, &bad, NULL), XD_ERR_INVALID);
}

Test(registry, every_failed_allocation_is_survived)
{
    for (size_t n = 1;; n++) {
        struct xd_registry *one;
        xd_alloc_fail_at(n);
        enum xd_err err = xd_registry_new(&one);
        xd_alloc_fail_at(0);
        if (err == XD_OK) {
            cr_assert_gt(n, 3);
            xd_registry_free(one);
            return;
        }
        cr_assert_eq(err, XD_ERR_NOMEM);
    }
}

/* SPDX-License-Identifier: MIT */
/* The registry of codecs by class tag, with the built-in "raw" and "text". */
#include "crossdock_codec.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "wire/class.h"
#include "wire/utf8.h"

/* The codecs of one class, each for its version of the encoding. */
struct entry {
    struct xd_map_item item; /* key: the tag, behind this struct */
    struct xd_codec *codecs; /* newest version first, at least one */
    size_t count, room;
    char tag[];
};

struct xd_registry {
    pthread_mutex_t lock;
    struct xd_map entries;
};

/* ---- built-in: raw ---- */

static enum xd_err raw_encode(void *context,
                              const void *object,
                              struct xd_bytes **out,
                              struct xd_error *error)
{
    (void)context;
    (void)error;
    const struct xd_bytes *bytes = object;
    *out = xd_bytes_ref((struct xd_bytes *)(uintptr_t)bytes);
    return XD_OK;
}

static enum xd_err raw_decode(void *context,
                              struct xd_bytes *bytes,
                              void **out,
                              struct xd_error *error)
{
    (void)context;
    (void)error;
    *out = xd_bytes_ref(bytes);
    return XD_OK;
}

static void raw_release(void *context, void *object)
{
    (void)context;
    xd_bytes_unref(object);
}

/* ---- built-in: text ---- */

static enum xd_err text_encode(void *context,
                               const void *object,
                               struct xd_bytes **out,
                               struct xd_error *error)
{
    (void)context;
    const char *text = object;
    if (!xd_text_is_valid(text, strlen(text))) {
        return xd_fail(error, XD_ERR_CODEC, "not valid UTF-8");
    }
    return xd_bytes_text(text, out);
}

static enum xd_err text_decode(void *context,
                               struct xd_bytes *bytes,
                               void **out,
                               struct xd_error *error)
{
    (void)context;
    if (!xd_text_is_valid(bytes->data, bytes->size)) {
        return xd_fail(error, XD_ERR_CODEC, "not valid UTF-8 without NUL");
    }
    char *text = xd_alloc(bytes->size + 1);
    if (text == NULL) {
        return XD_ERR_NOMEM;
    }
    if (bytes->size > 0) {
        memcpy(text, bytes->data, bytes->size);
    }
    text[bytes->size] = '\0';
    *out = text;
    return XD_OK;
}

static void text_release(void *context, void *object)
{
    (void)context;
    xd_free(object);
}

static const struct xd_codec builtin[] = {
    {"raw", raw_encode, raw_decode, raw_release, NULL, 0},
    {"text", text_encode, text_decode, text_release, NULL, 0},
};

/* ---- the registry ---- */

enum xd_err xd_registry_new(struct xd_registry **out)
{
    struct xd_registry *registry = xd_zalloc(sizeof *registry);
    if (registry == NULL) {
        return XD_ERR_NOMEM;
    }
    pthread_mutex_init(&registry->lock, NULL);
    xd_map_init(&registry->entries, 0); /* tags are the program's own */
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++) {
        enum xd_err err = xd_registry_add(registry, &builtin[i], NULL);
        if (err != XD_OK) {
            xd_registry_free(registry);
            return err;
        }
    }
    *out = registry;
    return XD_OK;
}

static void entry_free(struct entry *entry)
{
    xd_free(entry->codecs);
    xd_free(entry);
}

void xd_registry_free(struct xd_registry *registry)
{
    if (registry == NULL) {
        return;
    }
    struct xd_map_item *item;
    while ((item = xd_map_next(&registry->entries, NULL)) != NULL) {
        xd_map_remove(&registry->entries, item);
        entry_free(XD_ITEM(item, struct entry, item));
    }
    xd_map_fini(&registry->entries);
    pthread_mutex_destroy(&registry->lock);
    xd_free(registry);
}

static struct entry *find(struct xd_registry *registry, const void *tag, size_t size)
{
    struct xd_map_item *item = xd_map_get(&registry->entries, tag, size);
    return item == NULL ? NULL : XD_ITEM(item, struct entry, item);
}

static enum xd_err check_codec(const struct xd_codec *codec, struct xd_error *error)
{
    if (codec->tag == NULL || !xd_class_tag_is_valid(codec->tag, strlen(codec->tag))) {
        return xd_fail(error, XD_ERR_INVALID, "a codec without a valid class tag");
    }
    if (codec->encode == NULL || codec->decode == NULL || codec->release == NULL) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "codec %s: a function is missing",
                       codec->tag);
    }
    return XD_OK;
}

/* In its place, newest first; one of the same version is replaced. */
static enum xd_err put_version(struct entry *entry, const struct xd_codec *codec)
{
    size_t at = 0;
    while (at < entry->count && entry->codecs[at].version > codec->version) {
        at++;
    }
    if (at == entry->count || entry->codecs[at].version != codec->version) {
        void *codecs = entry->codecs;
        if (xd_reserve(&codecs, &entry->room, entry->count + 1, sizeof *entry->codecs) !=
            XD_OK) {
            return XD_ERR_NOMEM;
        }
        entry->codecs = codecs;
        memmove(entry->codecs + at + 1,
                entry->codecs + at,
                (entry->count - at) * sizeof *entry->codecs);
        entry->count++;
    }
    entry->codecs[at] = *codec;
    entry->codecs[at].tag = entry->tag;
    return XD_OK;
}

static enum xd_err add_locked(struct xd_registry *registry, const struct xd_codec *codec)
{
    size_t size = strlen(codec->tag);
    struct entry *entry = find(registry, codec->tag, size);
    if (entry != NULL) {
        return put_version(entry, codec);
    }
    if (xd_map_reserve(&registry->entries, 1) != XD_OK ||
        (entry = xd_zalloc(sizeof *entry + size + 1)) == NULL) {
        return XD_ERR_NOMEM;
    }
    memcpy(entry->tag, codec->tag, size + 1);
    if (put_version(entry, codec) != XD_OK) {
        entry_free(entry);
        return XD_ERR_NOMEM;
    }
    xd_map_add(&registry->entries, &entry->item, entry->tag, size);
    return XD_OK;
}

enum xd_err xd_registry_add(struct xd_registry *registry,
                            const struct xd_codec *codec,
                            struct xd_error *error)
{
    enum xd_err err = check_codec(codec, error);
    if (err != XD_OK) {
        return err;
    }
    pthread_mutex_lock(&registry->lock);
    err = add_locked(registry, codec);
    pthread_mutex_unlock(&registry->lock);
    return err == XD_OK ? err : xd_fail(error, err, "out of memory for a codec");
}

/* Copies of the newest codec of a class, and of the one for `version`, so that their
 * functions run without the lock. XD_ERR_CODEC: the class has none for that version. */
static enum xd_err find_version(struct xd_registry *registry,
                                const void *tag,
                                size_t size,
                                uint32_t version,
                                struct xd_codec *newest,
                                struct xd_codec *out)
{
    enum xd_err err = XD_ERR_NO_CODEC;
    pthread_mutex_lock(&registry->lock);
    const struct entry *entry = find(registry, tag, size);
    for (size_t i = 0; entry != NULL && i < entry->count && err != XD_OK; i++) {
        *newest = entry->codecs[0];
        *out = entry->codecs[i];
        err = entry->codecs[i].version == version ? XD_OK : XD_ERR_CODEC;
    }
    pthread_mutex_unlock(&registry->lock);
    return err;
}

static enum xd_err no_codec(const void *tag, size_t size, struct xd_error *error)
{
    char shown[128];
    xd_name_escape(tag, size, shown, sizeof shown);
    return xd_fail(error, XD_ERR_NO_CODEC, "no codec for class \"%s\"", shown);
}

/* The newest: for what goes out. */
static enum xd_err look_up(struct xd_registry *registry,
                           const char *tag,
                           struct xd_codec *out,
                           struct xd_error *error)
{
    struct xd_codec other;
    enum xd_err err = find_version(registry, tag, strlen(tag), 0, out, &other);
    return err == XD_ERR_NO_CODEC ? no_codec(tag, strlen(tag), error) : XD_OK;
}

/* The one that made these bytes: for what comes in. */
static enum xd_err look_up_frame(struct xd_registry *registry,
                                 const struct xd_frame *frame,
                                 struct xd_codec *out,
                                 struct xd_error *error)
{
    static const uint8_t none[1];
    const void *tag = frame->tag == NULL ? none : frame->tag->data;
    size_t size = frame->tag == NULL ? 0 : frame->tag->size;
    struct xd_codec newest = {0};
    enum xd_err err = find_version(registry, tag, size, frame->codec, &newest, out);
    if (err == XD_ERR_NO_CODEC) {
        return no_codec(tag, size, error);
    }
    if (err == XD_OK) {
        return XD_OK;
    }
    return xd_fail(error,
                   XD_ERR_NO_CODEC,
                   "decode \"%s\": the other side encoded it with version %u of the "
                   "class's codec, this side has version %u",
                   newest.tag,
                   (unsigned)frame->codec,
                   (unsigned)newest.version);
}

/* Put tag and side before the codec's own reason. */
static enum xd_err codec_failed(enum xd_err err,
                                const struct xd_codec *codec,
                                const char *side,
                                struct xd_error *error)
{
    if (err == XD_ERR_NOMEM) {
        return xd_fail(error, err, "%s \"%s\": out of memory", side, codec->tag);
    }
    if (error == NULL || error->text[0] == '\0') {
        return xd_fail(error,
                       XD_ERR_CODEC,
                       "%s \"%s\": %s",
                       side,
                       codec->tag,
                       xd_err_text(err));
    }
    char context[160];
    snprintf(context, sizeof context, "%s \"%.100s\"", side, codec->tag);
    return xd_fail_in(error, XD_ERR_CODEC, context);
}

static enum xd_err encode(const struct xd_codec *codec,
                          const void *object,
                          struct xd_bytes **out,
                          struct xd_error *error)
{
    struct xd_error reason = {""};
    enum xd_err err = codec->encode(codec->context, object, out, &reason);
    if (err != XD_OK) {
        err = codec_failed(err, codec, "encode", &reason);
        return xd_fail(error, err, "%s", reason.text);
    }
    return XD_OK;
}

enum xd_err xd_encode(struct xd_registry *registry,
                      const char *tag,
                      const void *object,
                      struct xd_bytes **out,
                      struct xd_error *error)
{
    struct xd_codec codec = {0};
    enum xd_err err = look_up(registry, tag, &codec, error);
    return err == XD_OK ? encode(&codec, object, out, error) : err;
}

enum xd_err xd_encode_payload(struct xd_registry *registry,
                              const char *tag,
                              const void *object,
                              struct xd_payload *out,
                              struct xd_error *error)
{
    struct xd_codec codec = {0};
    struct xd_bytes *bytes;
    enum xd_err err = look_up(registry, tag, &codec, error);
    if (err == XD_OK) {
        err = encode(&codec, object, &bytes, error);
    }
    if (err == XD_OK) {
        *out = (struct xd_payload){.bytes = bytes, .tag = tag, .codec = codec.version};
    }
    return err;
}

enum xd_err xd_decode(struct xd_registry *registry,
                      const struct xd_frame *frame,
                      void **out,
                      struct xd_error *error)
{
    struct xd_codec codec = {0};
    enum xd_err err = look_up_frame(registry, frame, &codec, error);
    if (err != XD_OK) {
        return err;
    }
    if (frame->bytes == NULL) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "decode \"%s\": the frame has no bytes",
                       codec.tag);
    }
    struct xd_error reason = {""};
    err = codec.decode(codec.context, frame->bytes, out, &reason);
    if (err != XD_OK) {
        err = codec_failed(err, &codec, "decode", &reason);
        return xd_fail(error, err, "%s", reason.text);
    }
    return XD_OK;
}

void xd_release(struct xd_registry *registry, const char *tag, void *object)
{
    struct xd_codec codec = {0};
    if (object != NULL && look_up(registry, tag, &codec, NULL) == XD_OK) {
        codec.release(codec.context, object);
    }
}

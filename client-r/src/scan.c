/* SPDX-License-Identifier: MIT */
/* A walk over R's serialization (R Internals, 1.8, and ReadItem in R's serialize.c) that
 * makes no objects. */
#include "scan.h"

#include <string.h>

#include "rxd.h"

/* Types that only the stream has. */
enum stream_type {
    ALTREP_TYPE = 238,
    ATTRIBUTED_LIST = 239,
    ATTRIBUTED_CALL = 240,
    BASE_ENVIRONMENT = 241,
    EMPTY_ENVIRONMENT = 242,
    CODE_REFERENCE = 243,
    CODE_DEFINITION = 244,
    PERSISTENT = 247,
    PACKAGE = 248,
    NAMESPACE = 249,
    BASE_NAMESPACE = 250,
    MISSING_ARGUMENT = 251,
    UNBOUND_VALUE = 252,
    GLOBAL_ENVIRONMENT = 253,
    NIL = 254,
    REFERENCE = 255
};

enum { HAS_ATTRIBUTES = 512, HAS_TAG = 1024 };

struct scan {
    struct rxd_reader *reader;
    bool *flags;
    size_t count, room;
};

static void scan_item(struct scan *scan, bool is_environment);
static void scan_code(struct scan *scan);

static void skip(struct scan *scan, uint64_t size)
{
    if (size > SIZE_MAX || !rxd_reader_get(scan->reader, NULL, (size_t)size)) {
        Rf_error("the task's bytes cannot be followed");
    }
}

static int32_t number(struct scan *scan)
{
    int32_t value;
    if (!rxd_reader_get(scan->reader, &value, sizeof value)) {
        Rf_error("the task's bytes cannot be followed");
    }
    return value;
}

static uint64_t length(struct scan *scan)
{
    int32_t value = number(scan);
    if (value >= 0) {
        return (uint64_t)value;
    }
    uint64_t high = (uint32_t)number(scan);
    return high << 32 | (uint32_t)number(scan);
}

static void scan_items(struct scan *scan, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        scan_item(scan, false);
    }
}

static void scan_names(struct scan *scan)
{
    (void)number(scan);
    scan_items(scan, length(scan));
}

static void note(struct scan *scan, bool is_environment)
{
    if (scan->count == scan->room) {
        scan->room = scan->room == 0 ? 64 : scan->room * 2;
        bool *grown = (void *)R_alloc(scan->room, sizeof *grown);
        if (scan->count > 0) {
            memcpy(grown, scan->flags, scan->count * sizeof *grown);
        }
        scan->flags = grown;
    }
    scan->flags[scan->count++] = is_environment;
}

/* What all of a vector's elements take. */
static void skip_elements(struct scan *scan, uint64_t size)
{
    uint64_t count = length(scan);
    if (count > UINT64_MAX / size) {
        Rf_error("the task's bytes cannot be followed");
    }
    skip(scan, count * size);
}

/* Calls and lists in byte code have no flags of their own, and are shared by number. */
static void scan_code_part(struct scan *scan, int32_t type)
{
    R_CheckStack();
    for (;; type = number(scan)) {
        if (type == CODE_REFERENCE) {
            (void)number(scan);
            return;
        }
        if (type == CODE_DEFINITION) {
            (void)number(scan);
            type = number(scan);
        }
        bool has_attributes = type == ATTRIBUTED_CALL || type == ATTRIBUTED_LIST;
        if (!has_attributes && type != LANGSXP && type != LISTSXP) {
            scan_item(scan, false);
            return;
        }
        scan_items(scan, has_attributes ? 2 : 1); /* and its tag */
        scan_code_part(scan, number(scan));
    }
}

static void scan_code(struct scan *scan)
{
    R_CheckStack();
    scan_item(scan, false);
    int32_t constants = number(scan);
    for (int32_t i = 0; i < constants; i++) {
        int32_t type = number(scan);
        switch (type) {
        case BCODESXP:
            scan_code(scan);
            break;
        case LANGSXP:
        case LISTSXP:
        case CODE_DEFINITION:
        case CODE_REFERENCE:
        case ATTRIBUTED_CALL:
        case ATTRIBUTED_LIST:
            scan_code_part(scan, type);
            break;
        default:
            scan_item(scan, false);
        }
    }
}

/* The contents of what is not a list; its attributes follow. */
static void scan_contents(struct scan *scan, int type)
{
    switch (type) {
    case CHARSXP:
    case SPECIALSXP:
    case BUILTINSXP: {
        int32_t size = number(scan);
        skip(scan, size > 0 ? (uint64_t)size : 0); /* -1: NA */
        break;
    }
    case RAWSXP:
        skip_elements(scan, 1);
        break;
    case LGLSXP:
    case INTSXP:
        skip_elements(scan, sizeof(int));
        break;
    case REALSXP:
        skip_elements(scan, sizeof(double));
        break;
    case CPLXSXP:
        skip_elements(scan, sizeof(Rcomplex));
        break;
    case STRSXP:
    case VECSXP:
    case EXPRSXP:
        scan_items(scan, length(scan));
        break;
    case EXTPTRSXP:
        scan_items(scan, 2);
        break;
    case BCODESXP:
        (void)number(scan);
        scan_code(scan);
        break;
    case WEAKREFSXP:
    case S4SXP:
        break;
    default:
        Rf_error("the task's bytes cannot be followed: type %d", type);
    }
}

static void scan_environment(struct scan *scan)
{
    (void)number(scan); /* is it locked? */
    scan_item(scan, true);
    scan_items(scan, 3); /* frame, hash table, attributes */
}

/* True: an item is done that is no list, vector or the like. */
static bool scan_special(struct scan *scan, int32_t flags, bool is_environment)
{
    switch (flags & 255) {
    case BASE_ENVIRONMENT:
    case EMPTY_ENVIRONMENT:
    case BASE_NAMESPACE:
    case MISSING_ARGUMENT:
    case UNBOUND_VALUE:
    case GLOBAL_ENVIRONMENT:
    case NIL:
        return true;
    case REFERENCE:
        if (flags >> 8 == 0) {
            (void)number(scan);
        }
        return true;
    case PERSISTENT:
        note(scan, is_environment);
        scan_names(scan);
        return true;
    case PACKAGE:
    case NAMESPACE:
        scan_names(scan);
        return true;
    case ALTREP_TYPE:
        scan_items(scan, 3); /* class, state, attributes */
        return true;
    case SYMSXP:
        scan_item(scan, false);
        return true;
    case ENVSXP:
        scan_environment(scan);
        return true;
    default:
        return false;
    }
}

static bool is_pair(int type)
{
    return type == LISTSXP || type == LANGSXP || type == CLOSXP || type == PROMSXP ||
           type == DOTSXP;
}

static void scan_item(struct scan *scan, bool is_environment)
{
    R_CheckStack();
    for (;; is_environment = false) {
        int32_t flags = number(scan);
        int type = flags & 255;
        if (scan_special(scan, flags, is_environment)) {
            return;
        }
        bool has_attributes = (flags & HAS_ATTRIBUTES) != 0;
        if (!is_pair(type)) {
            scan_contents(scan, type);
            scan_items(scan, has_attributes);
            return;
        }
        scan_items(scan, has_attributes);
        if ((flags & HAS_TAG) != 0) {
            scan_item(scan, type == CLOSXP || type == PROMSXP);
        }
        scan_item(scan, false);
        /* The rest of a list, however long, takes no stack. */
    }
}

const bool *rxd_scan_environments(struct rxd_reader *reader, size_t *count)
{
    struct scan scan = {.reader = reader};
    skip(&scan, 2); /* the format */
    for (int i = 0; i < 3; i++) {
        (void)number(&scan); /* versions */
    }
    skip(&scan, length(&scan)); /* the name of an encoding */
    scan_item(&scan, false);
    *count = scan.count;
    return scan.flags;
}

/* SPDX-License-Identifier: MIT */
/* What others need to know to reach this host: its addresses, the key of its broker. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include "calls.h"

/* An IPv4 address of an interface that is up and leads somewhere else. */
static bool is_reachable(const struct ifaddrs *entry)
{
    return entry->ifa_addr != NULL && entry->ifa_addr->sa_family == AF_INET &&
           (entry->ifa_flags & IFF_UP) != 0 && (entry->ifa_flags & IFF_LOOPBACK) == 0;
}

static R_xlen_t count_of(const struct ifaddrs *all)
{
    R_xlen_t count = 0;
    for (; all != NULL; all = all->ifa_next) {
        count += is_reachable(all);
    }
    return count;
}

static void fill(SEXP out, SEXP names, const struct ifaddrs *all)
{
    R_xlen_t place = 0;
    for (; all != NULL; all = all->ifa_next) {
        if (is_reachable(all)) {
            char text[INET_ADDRSTRLEN] = "";
            const struct sockaddr_in *address = (const void *)all->ifa_addr;
            (void)inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
            SET_STRING_ELT(out, place, Rf_mkChar(text));
            SET_STRING_ELT(names, place++, Rf_mkChar(all->ifa_name));
        }
    }
}

static void free_addresses(SEXP pointer)
{
    struct ifaddrs *all = R_ExternalPtrAddr(pointer);
    R_ClearExternalPtr(pointer);
    if (all != NULL) {
        freeifaddrs(all);
    }
}

/* A character vector, named after the interfaces. */
SEXP rxd_host_addresses(void)
{
    SEXP pointer =
        PROTECT(rxd_pointer_new("crossdock_addresses", R_NilValue, free_addresses));
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) == 0) {
        R_SetExternalPtrAddr(pointer, all);
    }
    R_xlen_t count = count_of(all);
    SEXP out = PROTECT(Rf_allocVector(STRSXP, count));
    SEXP names = PROTECT(Rf_allocVector(STRSXP, count));
    fill(out, names, all);
    Rf_setAttrib(out, R_NamesSymbol, names);
    free_addresses(pointer);
    UNPROTECT(3);
    return out;
}

/* The public key of a broker on tcp, in hexadecimal: `given` (either spelling), or with
 * NULL what a dialler would find by itself. */
SEXP rxd_server_key(SEXP given)
{
    char key[XD_SERVER_KEY_ROOM];
    struct xd_error error = {""};
    enum xd_err err = xd_server_key(rxd_text_or_null(given), key, &error);
    if (err != XD_OK) {
        rxd_raise(err, &error, "the broker's public key");
    }
    return Rf_mkString(key);
}

/* SPDX-License-Identifier: MIT */
/* An intrusive doubly linked ring: the links live in the items, nothing is allocated. */
#ifndef XD_BASE_LIST_H
#define XD_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* A head, or the link inside an item. A link that is in no list points at itself. */
struct xd_list {
    struct xd_list *next, *prev;
};

/* The item that holds the link `pointer` as its `member`. */
#define XD_ITEM(pointer, type, member)                                                   \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define XD_LIST_EACH(link, head)                                                         \
    for (struct xd_list *link = (head)->next; link != (head); link = link->next)

/* The body may remove `link`. */
#define XD_LIST_EACH_SAFE(link, head)                                                    \
    for (struct xd_list *link = (head)->next, *link##_next = link->next; link != (head); \
         link = link##_next, link##_next = link->next)

static inline void xd_list_init(struct xd_list *list)
{
    list->next = list->prev = list;
}

static inline bool xd_list_is_empty(const struct xd_list *list)
{
    return list->next == list;
}

static inline void xd_list_push_back(struct xd_list *head, struct xd_list *link)
{
    link->prev = head->prev;
    link->next = head;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a link points somewhere */
    head->prev->next = link;
    head->prev = link;
}

static inline void xd_list_push_front(struct xd_list *head, struct xd_list *link)
{
    xd_list_push_back(head->next, link);
}

/* Take the link out of its list; harmless when it is in none. */
static inline void xd_list_remove(struct xd_list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    xd_list_init(link);
}

#endif

/* SPDX-License-Identifier: MIT */
/* Planted faults: constant false, except in the test-only build that shows that each is
 * found. */
#ifndef XDB_CORE_FAULT_H
#define XDB_CORE_FAULT_H

#ifdef XDB_FAULTS
extern int xdb_fault_planted; /* tests/core/test_faults.c; 0: none */
#define xdb_fault(n) (xdb_fault_planted == (n))
#else
#define xdb_fault(n) 0
#endif

#endif

#ifndef CLIBPQ_SHIM_H
#define CLIBPQ_SHIM_H
#include <libpq-fe.h>
// PG_DIAG_SQLSTATE is a character macro, which Swift does not import.
static inline const char *clibpq_sqlstate(const PGresult *r) { return PQresultErrorField(r, PG_DIAG_SQLSTATE); }
#endif

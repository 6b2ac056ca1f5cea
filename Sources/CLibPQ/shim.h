#ifndef CLIBPQ_SHIM_H
#define CLIBPQ_SHIM_H
#include <libpq-fe.h>
#include <netdb.h>
#include <string.h>
// The PG_DIAG_… fields are character macros, which Swift does not import.
static inline const char *clibpq_sqlstate(const PGresult *r) { return PQresultErrorField(r, PG_DIAG_SQLSTATE); }
static inline const char *clibpq_constraint(const PGresult *r) { return PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME); }
static inline const char *clibpq_primary_message(const PGresult *r) {
    return PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
}
// How many bytes the values of a row's first columns have.
static inline long clibpq_row_length(const PGresult *r, int row, int columns) {
    long length = 0;
    for (int column = 0; column < columns; column++) length += PQgetlength(r, row, column);
    return length;
}
// Puts them one after another, and into `ends` where each of them ends; -1: it is NULL.
static inline void clibpq_copy_row(const PGresult *r, int row, int columns, unsigned char *bytes, long *ends) {
    long position = 0;
    for (int column = 0; column < columns; column++) {
        int length = PQgetlength(r, row, column);
        // An empty text and NULL are both of no length; they are told apart only then.
        if (length == 0 && PQgetisnull(r, row, column)) {
            ends[column] = -1;
            continue;
        }
        memcpy(bytes + position, PQgetvalue(r, row, column), (size_t)length);
        position += length;
        ends[column] = position;
    }
}
#endif

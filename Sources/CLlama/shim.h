#ifndef CLLAMA_SHIM_H
#define CLLAMA_SHIM_H
#include <llama.h>
#include <gboost_chat.h>
#include <gboost_matmul.h>
#endif

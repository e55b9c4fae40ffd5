/* libgreet 2.0: a function is gone, and nothing about its name says so. */
#include "greet.h"

#include <stdio.h>

void greet(char *out, size_t size, const char *word, const char *name)
{
    snprintf(out, size, "%s, dear %s!", word, name);
}

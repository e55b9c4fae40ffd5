/* libgreet 1.1: names are whole again. */
#include "greet.h"

#include <stdio.h>

void greet(char *out, size_t size, const char *word, const char *name)
{
    snprintf(out, size, "%s, %s!", word, name);
}

const char *greet_version(void)
{
    return "1.1";
}

/* libgreet 1.0: loses the last letter of every name. */
#include "greet.h"

#include <stdio.h>
#include <string.h>

void greet(char *out, size_t size, const char *word, const char *name)
{
    int length = (int)strlen(name) - 1;
    snprintf(out, size, "%s, %.*s!", word, length < 0 ? 0 : length, name);
}

const char *greet_version(void)
{
    return "1.0";
}

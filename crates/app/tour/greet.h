/* What libgreet offers. The same in 1.0 and 1.1, so what was built with one runs with the other. */
#ifndef GREET_H
#define GREET_H

#include <stddef.h>

#ifndef GREET_VERSION
#define GREET_VERSION "1.0"
#endif

/* Writes "WORD, NAME!" to the SIZE bytes at OUT. */
void greet(char *out, size_t size, const char *word, const char *name);

/* The version of the library that runs, not of the one that a program was built with. */
const char *greet_version(void);

#endif

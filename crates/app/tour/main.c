/* greet and farewell: one source, one word of difference. */
#include "greet.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    char text[100];
    greet(text, sizeof text, WORD, argc > 1 ? argv[1] : "World");
    printf("%s (built with libgreet %s, running libgreet %s)\n", text, GREET_VERSION, greet_version());
    return 0;
}

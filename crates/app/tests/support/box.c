/* What the packages of the tests hold, as one static program: it needs nothing else in a view.
 *
 * As `prog` it prints its version. As `dpkg` it runs the postinst of `prog`, if there is one, and notes that everything
 * is configured. As `waiter` it waits for the end of its input. As `set-modes` it is the interpreter of scripts that set the mode of `prog`. As anything else it is
 * the interpreter of maintainer scripts, whatever they say: it leaves files and directories that belong to another user
 * and that he alone may enter, while a child of it sleeps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "0"
#endif

static void postinst(void)
{
    const char *path = "/var/lib/dpkg/info/prog.postinst";
    if (access(path, X_OK))
        return;
    if (fork() == 0) {
        execl(path, path, "configure", NULL);
        _exit(1);
    }
    wait(NULL);
}

static int configure(void)
{
    postinst();
    const char *path = "/var/lib/dpkg/status";
    static char text[1 << 20];
    FILE *file = fopen(path, "r");
    if (!file)
        return 1;
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = 0;
    fclose(file);
    if (!(file = fopen("/var/lib/dpkg/status.new", "w")))
        return 1;
    for (char *line = strtok(text, "\n"), *last = ""; line; line = strtok(NULL, "\n")) {
        if (!strncmp(line, "Package:", 8) && *last)
            fputc('\n', file);
        last = line;
        fprintf(file, "%s\n", strcmp(line, "Status: install ok unpacked") ? line : "Status: install ok installed");
    }
    fputc('\n', file);
    fclose(file);
    return rename("/var/lib/dpkg/status.new", path) != 0;
}

static int script(void)
{
    char path[200];
    pid_t child = fork();
    if (child == 0) {
        sleep(20);
        _exit(0);
    }
    mkdir("/var/lib/box", 0755);
    for (int i = 0; i < 12; i++) {
        snprintf(path, sizeof path, "/var/lib/box/%d", i);
        mkdir(path, 0700);
        snprintf(path, sizeof path, "/var/lib/box/%d/file", i);
        FILE *file = fopen(path, "w");
        if (!file)
            return 1;
        fprintf(file, "%s %d\n", VERSION, i);
        fclose(file);
        if (chown(path, 33, 33))
            return 2;
        chmod(path, 0600);
        snprintf(path, sizeof path, "/var/lib/box/%d", i);
        if (chown(path, 33, 33))
            return 3;
        usleep(6000);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');
    name = name ? name + 1 : argv[0];
    (void)argc;
    if (!strcmp(name, "prog")) {
        puts("prog " VERSION);
        return 0;
    }
    if (!strcmp(name, "waiter")) {
        puts("waiting");
        fflush(stdout);
        while (getchar() != EOF)
            ;
        return 0;
    }
    if (!strcmp(name, "set-modes"))
        return chmod("/usr/bin/prog", 0750) != 0;
    return strcmp(name, "dpkg") ? script() : configure();
}

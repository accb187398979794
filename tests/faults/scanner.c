/* A scanner that misbehaves, but for its version: compiled with -DHOW=1 it crashes, with 2 it prints no JSON, with 3 it never ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count > 1 && !strcmp(words[1], "--version")) {
        puts("Version: 0.0.1");
        return 0;
    }
    if (HOW == 1) {
        fputs("panic: runtime error: index out of range\n", stderr);
        abort();
    }
    if (HOW == 2) {
        puts("everything is fine, trust me");
        return 0;
    }
    for (;;) pause();
}

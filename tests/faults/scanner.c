/* A scanner that misbehaves: compiled with -DHOW=1 it crashes, with 2 it prints no JSON, with 3 it never ends. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void) {
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

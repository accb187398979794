/* The program inside every drill's image: static, one file, and it misbehaves as its first argument says.
 *
 *   serve [SECONDS]   answer HTTP on 8080 after so many seconds: 200, or 500 below /bad; end on SIGTERM
 *   deaf              the same at once, but ignore SIGTERM
 *   sleep             never do anything
 *   give-up           say why and exit 3
 *   fill MEGABYTES    write /filled; say why and exit 5 when there is no room
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void end(int signal_number) { (void)signal_number; _exit(0); }

static void say(const char *words) { dprintf(1, "%s\n", words); }

static int serve(void) {
    int one = 1, server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
    char request[4096];
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 16)) return 4;
    say("listening on 8080");
    for (;;) {
        int client = accept(server, 0, 0);
        ssize_t length = read(client, request, sizeof request - 1);
        if (length > 0) {
            int bad = !strncmp(request, "GET /bad", 8);
            const char *body = bad ? "the model is broken" : "fine";
            if (bad) say("GET /bad: the model is broken");
            dprintf(client, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                    bad ? "500 Internal Server Error" : "200 OK", strlen(body), body);
        }
        close(client);
    }
}

static int fill(long megabytes) {
    static char block[1 << 20];
    FILE *file = fopen("/filled", "w");
    for (long number = 0; file && number < megabytes; number++)
        if (fwrite(block, sizeof block, 1, file) != 1 || fflush(file)) file = 0;
    if (!file) {
        dprintf(2, "/filled: %s\n", strerror(errno));
        return 5;
    }
    return 0;
}

int main(int count, char **words) {
    const char *how = count > 1 ? words[1] : "sleep";
    if (!strcmp(how, "give-up")) {
        say("loading the model");
        say("no model at /model: giving up");
        return 3;
    }
    if (!strcmp(how, "fill")) return fill(count > 2 ? atol(words[2]) : 1);
    signal(SIGTERM, strcmp(how, "deaf") ? end : SIG_IGN);
    if (!strcmp(how, "serve")) {
        say("starting");
        sleep(count > 2 ? (unsigned)atoi(words[2]) : 0);
        return serve();
    }
    if (!strcmp(how, "deaf")) return serve();
    say("asleep");
    for (;;) pause();
}

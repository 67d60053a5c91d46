/* An SDM120 and a relay made of libmodbus, which shares no code with ours.
 *
 *     libmodbus_server tcp            on a free port of the loopback
 *     libmodbus_server serial PATH    on a serial device, as unit 1
 *
 * Prints where it is reached once it is. The values are those of pymodbus_server.py. */

#include <arpa/inet.h>
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    int at;
    float value;
} SDM120[] = {
    {0x00, 231.5f}, {0x06, 2.25f}, {0x0C, 500.0f}, {0x12, 520.875f}, {0x18, 145.5f},
    {0x1E, 0.96f},  {0x46, 50.0f}, {0x48, 123.25f}, {0x4A, 0.5f},
};

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(2);
}

/* Answers one connection or line until it ends. */
static void serve(modbus_t *context, modbus_mapping_t *mapping) {
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    for (;;) {
        int length = modbus_receive(context, query);
        if (length > 0) {
            modbus_reply(context, query, length, mapping);
        } else if (length < 0 && errno != EMBBADCRC && errno != ETIMEDOUT) {
            return;
        }
    }
}

int main(int count, char **words) {
    modbus_mapping_t *mapping = modbus_mapping_new(16, 16, 128, 128);
    if (count < 2 || mapping == NULL) {
        fail("usage: libmodbus_server tcp | serial PATH");
    }
    for (size_t i = 0; i < sizeof SDM120 / sizeof *SDM120; i++) {
        /* High word first. Not by modbus_set_float_abcd, whose order of bytes differs between libmodbus versions. */
        uint32_t bits;
        memcpy(&bits, &SDM120[i].value, sizeof bits);
        mapping->tab_input_registers[SDM120[i].at] = bits >> 16;
        mapping->tab_input_registers[SDM120[i].at + 1] = bits & 0xFFFF;
    }
    if (strcmp(words[1], "tcp") == 0) {
        modbus_t *context = modbus_new_tcp("127.0.0.1", 0);
        int listener = context == NULL ? -1 : modbus_tcp_listen(context, 1);
        struct sockaddr_in place;
        socklen_t size = sizeof place;
        if (listener < 0 || getsockname(listener, (struct sockaddr *)&place, &size) < 0) {
            fail("listening");
        }
        printf("127.0.0.1:%d\n", ntohs(place.sin_port));
        fflush(stdout);
        while (modbus_tcp_accept(context, &listener) >= 0) {
            serve(context, mapping);
            modbus_close(context);
        }
        return 1;
    }
    modbus_t *context = modbus_new_rtu(words[2], 9600, 'N', 8, 1);
    if (context == NULL || modbus_set_slave(context, 1) < 0 || modbus_connect(context) < 0) {
        fail(words[2]);
    }
    printf("%s\n", words[2]);
    fflush(stdout);
    serve(context, mapping);
    return 1;
}

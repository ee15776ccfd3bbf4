/* chamber_hand PORT COIL 0|1: a person's hand at the bench's chamber (virtual_chamber.h). */
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    modbus_t *bus = argc == 4 ? modbus_new_tcp("127.0.0.1", atoi(argv[1])) : NULL;
    if (!bus || modbus_connect(bus) || modbus_write_bit(bus, atoi(argv[2]), atoi(argv[3])) != 1) {
        fprintf(stderr, "chamber_hand: %s\n", bus ? modbus_strerror(errno) : "PORT COIL 0|1");
        return 1;
    }
    modbus_close(bus);
    modbus_free(bus);
    return 0;
}

"""Meters made of pymodbus, which shares no code with ours: an SDM120 (unit 1), a PZEM-004T (unit 2), a relay (unit 4).

    python pymodbus_server.py tcp            on a free port of the loopback
    python pymodbus_server.py serial PATH    on a serial device

Prints where it is reached once it is. The values are the engineering units of the meters' manuals; pymodbus puts them
into registers. Whoever changes them changes them in crates/gateway/tests/it/foreign.rs too.
"""

import asyncio
import sys

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

# Register table of the manual "SDM120-Modbus protocol": input registers, each a single, high word first.
SDM120 = {
    0x00: 231.5,  # V
    0x06: 2.25,  # A
    0x0C: 500.0,  # W
    0x12: 520.875,  # VA
    0x18: 145.5,  # var
    0x1E: 0.96,
    0x46: 50.0,  # Hz
    0x48: 123.25,  # kWh imported
    0x4A: 0.5,  # kWh exported
}

# PZEM-004T v3.0 user manual, 2.2: input registers 0 to 9, low words first; the frame of arendst/Tasmota issue 9687.
PZEM = [1232, 90950 & 0xFFFF, 90950 >> 16, 37116, 0, 7658, 2, 600, 33, 0]


def singles(first, count):
    values = [SDM120.get(register, 0.0) for register in range(first, first + count, 2)]
    return SimData(first, values=values, datatype=DataType.FLOAT32)


def devices():
    nothing = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    zeros = [SimData(0, values=[0] * 4, datatype=DataType.REGISTERS)]
    relay = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    pzem = [SimData(0, values=PZEM, datatype=DataType.REGISTERS)]
    return [
        SimDevice(1, simdata=(nothing, nothing, zeros, [singles(0x00, 0x20), singles(0x46, 6)])),
        SimDevice(2, simdata=(nothing, nothing, zeros, pzem)),
        SimDevice(4, simdata=(relay, nothing, zeros, zeros)),
    ]


async def main(kind, path=None):
    if kind == "tcp":
        server = ModbusTcpServer(devices(), address=("127.0.0.1", 0))
    else:
        server = ModbusSerialServer(devices(), framer=FramerType.RTU, port=path, baudrate=9600)
    await server.serve_forever(background=True)
    if kind == "tcp":
        print(f"127.0.0.1:{server.transport.sockets[0].getsockname()[1]}", flush=True)
    else:
        print(path, flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))

//! An independent Modbus implementation answers as an SDM120; our client must understand it.

use crate::community::{FakeNode, START, minute};
use crate::polling::{clock, setup, wait_for};
use crate::world::{folder, settings_of};
use gateway::config::{BusConfig, Port};
use gateway::core::BusSettings;
use gateway::start;
use meter::Framing;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::server::{Service, rtu_over_tcp, tcp};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use units::{Millis, Quantity};

/// Input registers of the manual's register table, each value an IEEE 754 single, high word first.
#[derive(Clone)]
struct Sdm120;

const VALUES: [(u16, f32); 9] = [
    (0x0000, 231.5),
    (0x0006, 2.25),
    (0x000C, 500.0),
    (0x0012, 520.875),
    (0x0018, 145.5),
    (0x001E, 0.96),
    (0x0046, 50.0),
    (0x0048, 123.25),
    (0x004A, 0.5),
];

const EXPECTED: [(Quantity, i64); 9] = [
    (Quantity::Voltage, 231_500),
    (Quantity::Current, 2_250_000),
    (Quantity::ActivePower, 500_000),
    (Quantity::ApparentPower, 520_875),
    (Quantity::ReactivePower, 145_500),
    (Quantity::PowerFactor, 9_600),
    (Quantity::Frequency, 50_000),
    (Quantity::EnergyImport, 123_250_000),
    (Quantity::EnergyExport, 500_000),
];

fn registers(first: u16, count: u16) -> Vec<u16> {
    let word = |register: u16| {
        let value = VALUES.iter().find(|(at, _)| *at == register & !1).map_or(0, |(_, value)| value.to_bits());
        let [a, b, c, d] = value.to_be_bytes();
        u16::from_be_bytes(if register.is_multiple_of(2) { [a, b] } else { [c, d] })
    };
    (first..first + count).map(word).collect()
}

impl Service for Sdm120 {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Self::Response, Self::Exception>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        ready(match request.request {
            _ if request.slave != 1 => Ok(None),
            Request::ReadInputRegisters(first, count) => {
                Ok(Some(Response::ReadInputRegisters(registers(first, count))))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        })
    }
}

async fn read_over(framing: Framing, address: SocketAddr) {
    let folder = folder();
    let meters = vec![settings_of("S-1", 1, "sdm120", Millis::from_ms(100))];
    let bus = BusConfig { name: "roof".into(), port: Port::Tcp(address), settings: BusSettings { framing, meters } };
    let node = FakeNode::new(&[("S-1", "sdm120")]);
    let running = start(setup(&folder, vec![bus], node, clock(1))).await.unwrap();
    let handle = running.handle().clone();
    let mut readings = handle.subscribe();
    wait_for("an answer of the foreign server", || handle.snapshot()[0].reading.is_some()).await;
    let heard = readings.recv().await.unwrap();
    let reading = handle.snapshot()[0].reading.clone().unwrap();
    assert_eq!(heard.reading, reading);
    for (quantity, value) in EXPECTED {
        assert_eq!(reading.get(quantity), Some(value), "{quantity:?} over {framing:?}");
    }
    assert_eq!(handle.store().readings(&heard.meter, START, minute(60), 1).await.unwrap()[0].row.reading, reading);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_server_is_read_over_modbus_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let serve =
            |stream: TcpStream, peer| async move { tcp::accept_tcp_connection(stream, peer, |_| Ok(Some(Sdm120))) };
        tcp::Server::new(listener).serve(&serve, |error| eprintln!("{error}")).await
    });
    read_over(Framing::Tcp, address).await;
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_server_is_read_over_rtu_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let serve = |stream: TcpStream, peer| async move {
            rtu_over_tcp::accept_tcp_connection(stream, peer, |_| Ok(Some(Sdm120)))
        };
        rtu_over_tcp::Server::new(listener).serve(&serve, |error| eprintln!("{error}")).await
    });
    read_over(Framing::Rtu { baud: 9_600 }, address).await;
    server.abort();
}

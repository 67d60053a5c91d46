//! What is said of a line: that its schedule does not fit, or that nothing is understood on it.

use crate::community::{FakeNode, minute};
use crate::world::{BAUD, World, settings_of, simulated};
use meter::SimulatedBus;
use units::{Energy, Millis};

/// What the operator reads of a kind of event.
fn said(world: &World, kind: &str) -> Vec<String> {
    let happenings = world.happenings().into_iter().filter(|happening| happening.kind() == kind);
    happenings.map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_schedule_that_does_not_fit_is_said_once_at_the_start_with_what_would() {
    let meters = (1..=12_u8).map(|at| settings_of(&format!("A-{at}"), at, "im1281b", Millis::from_seconds(1)));
    let line = SimulatedBus::new(vec![simulated(1, "im1281b", minute(0), Energy::ZERO)], BAUD);
    let mut world = World::new(minute(1), FakeNode::new(&[]), meters.collect(), line).await;
    world.run_until(minute(2)).await;
    assert_eq!(
        said(&world, "bus_overloaded"),
        [
            "the schedule needs 102.7 % of the line, which carries 90 %: ask each of its meters every 2 s or less often, raise \
          the baud rate, or move meters to another line"
        ]
    );
    let (plan, measured) = world.gateway().bus_load(0, world.monotonic).unwrap();
    assert!(plan.permille == 1_027 && measured.is_some_and(|load| load > 0), "{plan:?}, {measured:?}");
}

#[tokio::test]
async fn a_silent_line_is_named_once_with_the_rate_used_and_those_to_try() {
    let meters = vec![settings_of("A-1", 1, "sdm120", Millis::from_seconds(5))];
    let mut world = World::new(minute(1), FakeNode::new(&[]), meters, SimulatedBus::new(Vec::new(), BAUD)).await;
    world.run_until(minute(5)).await;
    let said = said(&world, "line_silent");
    let [said] = said.as_slice() else { panic!("{said:?}") };
    assert!(said.contains("the gateway uses 9600 baud") && said.ends_with("try 2400, 4800, 19200"), "{said}");
    assert_eq!(world.happened("bus_overloaded"), 0);
    assert_eq!(world.gateway().line_trouble(0).unwrap().to_string(), *said, "it stands as long as it lasts");
}

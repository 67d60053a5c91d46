//! What goes wrong, and its healing.

use super::end::LOOK_EVERY;
use super::{Happening, World};
use crate::Sabotage;
use crate::chaos::Mishap;
use crate::check::Violation;
use meter::{Disturbance, Faults};
use units::{Millis, Timestamp, Voltage};

impl World {
    pub(super) fn mishap(&mut self, mishap: Mishap) -> Result<(), Violation> {
        self.note(format_args!("{mishap:?}"));
        match mishap {
            Mishap::NodeDown(node, length) => self.crash_node(node, length),
            Mishap::NodeClock(node, ahead) => self.nodes[node].clock_ahead_ms = ahead,
            Mishap::NodeSlow(node, length) => self.nodes[node].slow_until = self.now + length,
            Mishap::NodeDeaf(node) => self.nodes[node].is_deaf = true,
            Mishap::Parted(cut, length) => {
                let stays = self.sabotage == Some(Sabotage::StayCut);
                let until = if stays { Timestamp::from_ms(u64::MAX) } else { self.now + length };
                self.links.part(cut, until);
            }
            Mishap::GatewayDown(gateway, length) => self.crash_gateway(gateway, length),
            Mishap::GatewayClock(gateway, ahead) => self.gateways[gateway].clock_ahead_ms = ahead,
            Mishap::DatabaseLost(gateway) => {
                self.crash_gateway(gateway, Millis::from_seconds(30));
                self.gateways[gateway].lose_database();
            }
            Mishap::PortLost(gateway, bus, length) => {
                self.port(gateway, bus, false);
                self.later(length, Happening::PortBack { gateway, bus });
            }
            Mishap::MeterReplaced(number) => {
                let meter = self.community.meter(number, true)?;
                self.with_meter(number, |place| *place = meter);
            }
            Mishap::OverVoltage(number, length) => {
                let (from, until) = (self.now, self.now + length);
                let disturbance = Disturbance { from, until, voltage: Voltage::from_mv(130_000) };
                self.with_meter(number, |meter| meter.set_disturbance(Some(disturbance)));
            }
            Mishap::Healed => self.heal(),
        }
        Ok(())
    }

    fn with_meter(&mut self, number: usize, change: impl FnOnce(&mut meter::SimulatedMeter)) {
        let household = &self.community.households[number];
        let gateway = self.gateways.get_mut(household.gateway);
        let line = gateway.and_then(|gateway| gateway.lines.get_mut(household.bus));
        if let Some(meter) = line.and_then(|line| line.meters_mut().get_mut(household.device)) {
            change(meter);
        }
    }

    fn heal(&mut self) {
        self.chaos.heal();
        if self.sabotage != Some(Sabotage::StayCut) {
            self.links.heal();
        }
        for node in &mut self.nodes {
            node.clock_ahead_ms = 0;
            node.slow_until = Timestamp::default();
        }
        for gateway in &mut self.gateways {
            gateway.clock_ahead_ms = 0;
            let lines = std::mem::take(&mut gateway.lines);
            gateway.lines = lines.into_iter().map(|line| line.with_faults(Faults::NONE)).collect();
        }
        self.later(LOOK_EVERY, Happening::Look);
    }
}

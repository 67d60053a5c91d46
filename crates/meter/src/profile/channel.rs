//! One channel of a meter with several, as a meter of its own: `jsy-mk-194:ch2`.

use super::{Example, Profile, Register};
use units::{Channel, Key, Reading};

/// What stands between a profile's name and a channel's.
const SEPARATOR: char = ':';

impl Profile {
    /// The profile of a name that may end in a channel: `load` finds the profile of the name before it.
    pub fn of_name(name: &str, load: impl FnOnce(&str) -> Option<Self>) -> Option<Self> {
        match name.split_once(SEPARATOR) {
            None => load(name),
            Some((name, channel)) => load(name)?.of_channel(channel_named(channel)?),
        }
    }

    /// This model as if one of its channels were the whole meter; what the meter has once, such as its frequency, stays.
    /// `None` when it has no such channel.
    #[must_use]
    pub fn of_channel(mut self, channel: Channel) -> Option<Self> {
        let of_channel = |key: Key| Key { channel: Channel::Total, ..key };
        let own: Vec<Key> = self.keys().filter(|key| key.channel == channel).map(of_channel).collect();
        if own.is_empty() || channel == Channel::Total {
            return None;
        }
        // A value of the channel replaces the whole meter's value of the same quantity.
        let wanted = |key: Key| match key.channel {
            Channel::Total if own.contains(&key) => None,
            Channel::Total => Some(key),
            of if of == channel => Some(of_channel(key)),
            _ => None,
        };
        let register = |register: Register| Some(Register { key: wanted(register.key)?, ..register });
        self.registers = self.registers.into_iter().filter_map(register).collect();
        self.items.retain_mut(|item| {
            wanted(item.key).is_some_and(|key| {
                item.key = key;
                true
            })
        });
        for Example { reading, .. } in &mut self.examples {
            let mut mapped = Reading::new();
            for (key, value) in reading.iter().filter_map(|(key, value)| Some((wanted(key)?, value))) {
                mapped.insert(key, value);
            }
            *reading = mapped;
        }
        Some(self)
    }
}

fn channel_named(name: &str) -> Option<Channel> {
    match name {
        "l1" => Some(Channel::L1),
        "l2" => Some(Channel::L2),
        "l3" => Some(Channel::L3),
        "ch1" => Some(Channel::Ch1),
        "ch2" => Some(Channel::Ch2),
        _ => None,
    }
}

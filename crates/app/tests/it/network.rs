//! A network of this computer's own: namespaces on a switch, which a test makes and takes down. It needs root.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs a tool as root; what is missing is said.
pub(crate) fn tool(words: &str) {
    let mut parts = words.split(' ');
    let program = parts.next().unwrap();
    match Command::new(program).args(parts).output() {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "`{words}` (it needs root): {told}");
        }
        Err(error) => panic!("`{words}`: {error}; install it: apt-get install iproute2 nftables mount"),
    }
}

/// A network of namespaces, each with one address on a switch, gone when it is dropped.
pub(crate) struct Network {
    prefix: String,
    count: usize,
}

impl Network {
    pub(crate) fn new(count: usize) -> Self {
        // Tests run side by side, in one process and in several.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        let network = Self { prefix: format!("wp{}-{made}", std::process::id()), count };
        tool(&format!("ip netns add {}", network.switch()));
        network.in_switch("ip link add br0 type bridge");
        network.in_switch("ip link set br0 up");
        for number in 0..count {
            let place = network.place(number);
            tool(&format!("ip netns add {place}"));
            tool(&format!("ip -n {} link add port{number} type veth peer name eth0 netns {place}", network.switch()));
            network.in_switch(&format!("ip link set port{number} master br0 up"));
            tool(&format!("ip -n {place} address add {}/24 dev eth0", address(number)));
            tool(&format!("ip -n {place} link set eth0 up"));
            tool(&format!("ip -n {place} link set lo up"));
        }
        network
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.prefix)
    }
    pub(crate) fn place(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }
    fn in_switch(&self, words: &str) {
        tool(&format!("ip netns exec {} {words}", self.switch()));
    }
    pub(crate) fn at(&self, number: usize, words: &str) {
        tool(&format!("ip netns exec {} {words}", self.place(number)));
    }

    /// Nothing comes in at a node any more, and with `both` nothing goes out.
    pub(crate) fn cut(&self, number: usize, both: bool) {
        self.at(number, "nft add table inet cut");
        self.at(number, "nft add chain inet cut coming { type filter hook input priority 0 ; }");
        self.at(number, "nft add rule inet cut coming iifname eth0 drop");
        if both {
            self.at(number, "nft add chain inet cut going { type filter hook output priority 0 ; }");
            self.at(number, "nft add rule inet cut going oifname eth0 drop");
        }
    }

    pub(crate) fn mend(&self, number: usize) {
        self.at(number, "nft delete table inet cut");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let places = (0..self.count).map(|number| self.place(number)).chain([self.switch()]);
        for place in places {
            // What a failed beginning has not made is not there.
            drop(Command::new("ip").args(["netns", "del", &place]).output());
        }
    }
}

/// Of a place on the switch.
pub(crate) fn address(number: usize) -> String {
    format!("10.77.0.{}", number + 1)
}

//! How many connections one client address may hold.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections by client network. Holds one entry per open connection at most, so the limit on
/// connections bounds it.
#[derive(Debug)]
pub(super) struct Slots {
    most: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

impl Slots {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::default(),
        })
    }

    /// Takes a slot, `None` if the client has them all.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let network = network_of(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(network).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Slot {
            slots: Arc::clone(self),
            network,
        })
    }
}

/// A slot, until dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    network: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self
            .slots
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

/// One IPv6 host commands a whole /64, so that counts as one client.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_slots_and_gets_them_back() {
        let slots = Slots::new(2);
        let address = |text: &str| text.parse().expect("an address");
        let first = slots.take(address("192.0.2.1")).expect("free");
        let second = slots.take(address("::ffff:192.0.2.1")).expect("free");
        assert!(slots.take(address("192.0.2.1")).is_none());
        assert!(slots.take(address("192.0.2.2")).is_some());
        drop(first);
        assert!(slots.take(address("192.0.2.1")).is_some());
        drop(second);
        assert!(slots.taken.lock().expect("no panic").is_empty());
        let _one = slots.take(address("2001:db8::1")).expect("free");
        let _two = slots.take(address("2001:db8::2")).expect("free");
        assert!(slots.take(address("2001:db8::3")).is_none());
        assert!(slots.take(address("2001:db8:0:1::1")).is_some());
    }
}

//! The node's store on a disk that loses what was not synced.

use node::record::{LogName, Record};
use node::store::{Store, StoreError};
use sim::{Random, VirtualDisk};
use units::{StatementId, Timestamp};

fn store(disk: &VirtualDisk) -> Store {
    Store::open(Box::new(disk.clone())).unwrap()
}

fn records(store: &mut Store, log: LogName) -> Vec<Record> {
    let mut records = Vec::new();
    let read = store.replay(log, |record| {
        records.push(record);
        Ok::<(), StoreError>(())
    });
    read.unwrap();
    records
}

fn founded() -> VirtualDisk {
    let disk = VirtualDisk::new();
    Store::create(Box::new(disk.clone()), b"genesis").unwrap();
    disk
}

#[test]
fn what_a_killed_node_wrote_and_never_synced_survives_a_power_cut_after_the_restart() {
    let pooled = Record::Pooled { received: Timestamp::from_ms(1), leaf: vec![7; 200] };
    for seed in 0..20 {
        let disk = founded();
        // The process is killed between writing and syncing; the restarted one finds the record and builds on it.
        store(&disk).append(&pooled).unwrap();
        assert_eq!(records(&mut store(&disk), LogName::Pool), std::slice::from_ref(&pooled));
        disk.cut_power(&mut Random::new(seed));
        assert_eq!(records(&mut store(&disk), LogName::Pool), std::slice::from_ref(&pooled), "seed {seed}");
    }
}

#[test]
fn attachments_of_an_interrupted_write_are_whole_or_gone() {
    let attachment = |number: u8| {
        let id = StatementId::from_bytes([number; 32]);
        (id, Record::Attachment { statement: id, bytes: vec![number; 100] })
    };
    let (mut kept, mut lost) = (0, 0);
    for seed in 0..200 {
        let disk = founded();
        let mut writer = store(&disk);
        let (synced, record) = attachment(1);
        writer.append(&record).unwrap();
        writer.sync().unwrap();
        for number in 2..5 {
            writer.append(&attachment(number).1).unwrap();
        }
        drop(writer);
        disk.cut_power(&mut Random::new(seed));
        let mut store = store(&disk);
        assert_eq!(store.attachment(&synced).unwrap(), Some(vec![1; 100]));
        for number in 2..5 {
            match store.attachment(&attachment(number).0).unwrap_or_else(|error| panic!("seed {seed}: {error}")) {
                Some(bytes) => {
                    assert_eq!(bytes, vec![number; 100]);
                    kept += 1;
                }
                None => lost += 1,
            }
        }
    }
    assert!(kept > 50 && lost > 50, "{kept} kept, {lost} lost");
}

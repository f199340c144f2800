//! A rotation that begins while older sealing keys are being forgotten.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};

use relay::store::disk::{Disk, DiskFile, RealDisk};
use relay::store::{PREVIOUS_KEYS, Reply, Store, Transaction, WriteError, Written};

use crate::sealing::{finish, let_segments_go, opens, rotate, seed};
use crate::support::folder::Folder;

type Begun = Receiver<Result<Written, WriteError>>;

/// While the file with the older keys is being removed somebody rotates.
#[derive(Default)]
struct RotatedMeanwhile {
    store: Mutex<Option<Store>>,
    begun: OnceLock<Mutex<Begun>>,
}

impl Disk for RotatedMeanwhile {
    fn remove(&self, path: &Path) -> io::Result<()> {
        // Whoever keeps it keeps the folder open.
        let store = self.store.lock().unwrap().take_if(|_| path.ends_with(PREVIOUS_KEYS));
        if let Some(store) = store {
            let (sender, done) = channel();
            let begin = |transaction: &mut Transaction<'_>| {
                Ok(Reply::Task(Box::new(transaction.rotate_sealing_key()?)))
            };
            store.submit(None, begin, move |result| drop(sender.send(result))).unwrap();
            // The writer begins it when it is done here; for anybody else it is not kept waiting.
            let done = match std::thread::current().name() {
                Some("writer") => done,
                _ => {
                    let (sender, again) = channel();
                    sender.send(done.recv().unwrap()).unwrap();
                    again
                }
            };
            assert!(self.begun.set(Mutex::new(done)).is_ok(), "the older keys go once");
        }
        RealDisk.remove(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_folder(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(folder)
    }

    fn create(&self, path: &Path, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.create(path, length)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_folder(folder)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        RealDisk.free_bytes(path)
    }

    fn identity(&self, folder: &Path) -> io::Result<(u64, u64)> {
        RealDisk.identity(folder)
    }

    fn boot(&self) -> String {
        RealDisk.boot()
    }
}

/// The key that has just become an older one is not among those that nothing needs.
#[test]
fn a_rotation_while_older_keys_go_loses_none() {
    let disk = Arc::new(RotatedMeanwhile::default());
    let folder = Folder { disk: Arc::clone(&disk) as Arc<dyn Disk>, ..Folder::new() };
    let open = folder.open();
    let application = seed(&open);
    rotate(&open.store).unwrap();
    finish(&open.store);
    let through = open.store.sealing().needed_through.unwrap();
    *disk.store.lock().unwrap() = Some(open.store.clone());
    let_segments_go(&open, application, through);
    let begun = disk.begun.get().expect("the older keys went");
    begun.lock().unwrap().recv().unwrap().unwrap();
    let sealing = open.store.sealing();
    assert_eq!((sealing.previous.len(), sealing.resealed), (1, false), "{sealing:?}");
    open.stop();
    let folder = Folder { disk: Arc::new(RealDisk), ..folder };
    opens(&folder, application, &sealing);
}

//! A data folder that a test opens, stops and opens again.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use relay::domain::application::Application;
use relay::domain::endpoint::{Endpoint, EndpointKey};
use relay::domain::id::{ApplicationId, EndpointId};
use relay::domain::secret::Secret;
use relay::domain::signature::SigningKey;
use relay::domain::subscription::Subscription;
use relay::store::disk::{Disk, RealDisk};
use relay::store::{
    Author, KeyOrigin, NewMessage, Notice, OpenError, Options, Reply, Running, SEALING_KEY,
    SealingKeys, Store, StoredMessage, WriteError, open,
};

use super::clock::{ManualClock, START};
use super::provider::Provider;

pub struct Folder {
    pub path: tempfile::TempDir,
    pub clock: ManualClock,
    pub segment_size: u64,
    /// What is configured; else as the binary finds it in the folder.
    pub sealing: Option<SealingKeys>,
    pub disk: Arc<dyn Disk>,
    /// What it is served when it fetches a provider's key.
    pub provider: Arc<Provider>,
}

/// A store with its threads, and what it told the scheduler.
pub struct Open {
    pub store: Store,
    pub running: Running,
    pub notices: Receiver<Notice>,
    pub rebuilt: bool,
}

impl Folder {
    pub fn new() -> Folder {
        Folder {
            path: tempfile::tempdir().unwrap(),
            clock: ManualClock::at(START),
            segment_size: 1 << 20,
            sealing: None,
            disk: Arc::new(RealDisk),
            provider: Arc::default(),
        }
    }

    pub fn data(&self) -> &Path {
        self.path.path()
    }

    /// The key of the file, when there is one, else what the tests begin with.
    fn sealing(&self) -> SealingKeys {
        if let Some(configured) = &self.sealing {
            return configured.clone();
        }
        let current = match std::fs::read_to_string(self.data().join(SEALING_KEY)) {
            Ok(text) => STANDARD.decode(text.trim()).unwrap(),
            Err(_) => vec![7; 32],
        };
        let (current, origin) = (Secret::new(current), KeyOrigin::Folder);
        SealingKeys { current, origin, previous: Vec::new() }
    }

    pub fn open(&self) -> Open {
        self.try_open(false).unwrap()
    }

    pub fn try_open(&self, accept_loss: bool) -> Result<Open, OpenError> {
        let (sender, notices) = channel();
        let sender = Mutex::new(sender);
        let clock = self.clock.clone();
        let opened = open(Options {
            folder: self.data().to_owned(),
            disk: Arc::clone(&self.disk),
            segment_size: self.segment_size,
            index_cache: 4 << 20,
            overlay: 64 << 20,
            order_lookahead: 20_000,
            sealing: self.sealing(),
            clock: Box::new(move |floor| {
                clock.go_on(floor);
                Arc::new(clock)
            }),
            notify: Box::new(move |notices| {
                let sender = sender.lock().unwrap();
                // A test that does not look at them has dropped the receiver.
                notices.into_iter().for_each(|notice| drop(sender.send(notice)));
            }),
            progress: Box::new(|_| ()),
            on_sync: Box::new(|_| ()),
            accept_loss,
            simulated: None,
        })?;
        let rebuilt = opened.rebuilt;
        let (store, running) = opened.start();
        Ok(Open { store, running, notices, rebuilt })
    }
}

impl Open {
    pub fn stop(self) {
        self.running.stop().unwrap();
    }

    pub fn application(&self, uid: &str) -> ApplicationId {
        let uid = uid.to_owned();
        let written = self.store.write_blocking(None, move |transaction| {
            let now = transaction.now();
            let application = Application {
                id: ApplicationId::new(transaction.mint()),
                uid: Some(uid.clone()),
                name: uid,
                throttle_rate: None,
                metadata: Default::default(),
                managed: false,
                created_at: now,
                updated_at: now,
            };
            let application = transaction.put_application(application, Author::Caller)?;
            Ok(Reply::Application { application, created: true })
        });
        match written.unwrap().reply {
            Reply::Application { application, .. } => application.id,
            other => panic!("{other:?}"),
        }
    }

    pub fn endpoint(&self, application: ApplicationId, uid: &str) -> EndpointId {
        let uid = uid.to_owned();
        let written = self.store.write_blocking(None, move |transaction| {
            let now = transaction.now();
            let key = SigningKey::Hmac(Secret::new(vec![9; 24]));
            let endpoint = Endpoint {
                id: EndpointId::new(transaction.mint()),
                application,
                uid: Some(uid),
                url: "http://127.0.0.1:9/".to_owned(),
                description: String::new(),
                subscription: Subscription::default(),
                disabled: None,
                throttle_rate: None,
                delivery: Default::default(),
                metadata: Default::default(),
                transformation: None,
                headers: Default::default(),
                keys: vec![EndpointKey { key, expires_at: None }],
                managed: false,
                created_at: now,
                updated_at: now,
            };
            let endpoint = transaction.put_endpoint(endpoint, Author::Caller)?;
            Ok(Reply::Endpoint { endpoint, created: true })
        });
        match written.unwrap().reply {
            Reply::Endpoint { endpoint, .. } => endpoint.id,
            other => panic!("{other:?}"),
        }
    }

    pub fn accept(
        &self,
        application: ApplicationId,
        event_id: Option<&str>,
        body: &'static [u8],
    ) -> Result<StoredMessage, WriteError> {
        let message = NewMessage {
            application,
            event_type: "invoice.paid".to_owned(),
            event_id: event_id.map(str::to_owned),
            channels: Vec::new(),
            tags: Vec::new(),
            content_type: "application/json".to_owned(),
            deliver_at: None,
            content_kept: None,
            body: Bytes::from_static(body),
            received: None,
            filtered: Default::default(),
        };
        let written = self.store.write_blocking(None, move |transaction| {
            transaction.accept(message).map(Reply::Message)
        })?;
        match written.reply {
            Reply::Message(stored) => Ok(stored),
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the next notice.
    pub fn notice(&self) -> Notice {
        self.notices.recv_timeout(Duration::from_secs(20)).unwrap()
    }
}

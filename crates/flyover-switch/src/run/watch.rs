//! Hears of what is changed in the switch's database.
//!
//! Invariants: only some columns of what was asked for are watched, so that counters wake nobody and a thousand ports
//! take little room; all others are looked at now and then; what comes new is nobody's fault, and is not looked at.

use std::collections::BTreeSet;
use std::path::Path;

use flyover_cni_core::names::AttachmentId;
use flyover_cni_core::node::Node;
use flyover_cni_core::state::Store;
use flyover_ovs::cache::{Cache, Change};
use flyover_ovs::datum::Column;
use flyover_ovs::live::{Link, Live, News, Patience, Remote};
use flyover_ovs::schema::Declared;
use flyover_ovs::tables::{OpenVswitch, Strings, Table};
use flyover_ovs::{OPEN_VSWITCH, OvsError, Row};
use tokio::task::JoinHandle;

use super::round::{Task, Which};

/// A connection that stays, and what was made of its news.
#[derive(Clone)]
pub(super) struct Watch {
    live: Live,
}

/// What of a row is watched: whose it is.
macro_rules! watched {
    ($name:ident($held:ty, $read:expr) = $table:literal { $($column:literal: $type:ty),* }) => {
        struct $name($held);

        impl Table for $name {
            const NAME: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &["_uuid", $($column),*];
            const DECLARED: &'static [Declared] = &[$(Declared {
                name: $column,
                needed: false,
                wanted: <$type as Column>::WANTED,
                fits: <$type as Column>::fits,
            }),*];

            fn read(row: &Row) -> Result<Self, OvsError> {
                Ok(Self($read(row)))
            }
        }
    };
}

watched!(Bridge((), |_| ()) = "Bridge" { "name": String, "datapath_type": String, "other_config": Strings });
// One change of these by a stranger is a reason to look at all attachments; they bear no name, to be small.
watched!(Port((), |_| ()) = "Port" { "tag": Option<i64>, "trunks": BTreeSet<i64>, "vlan_mode": Option<String> });
watched!(Interface(Option<AttachmentId>, attachment) = "Interface" {
    "options": Strings, "mtu_request": Option<i64>, "ingress_policing_rate": i64
});

/// The attachment whose directory an interface's socket lies in: this says less than `external_ids`, and is enough to know
/// where to look.
fn attachment(row: &Row) -> Option<AttachmentId> {
    let options = Strings::read(row.get("options")?)?;
    let directory = Path::new(options.get("vhost-server-path")?).parent()?.file_name()?.to_str()?;
    directory.strip_suffix(".back").unwrap_or(directory).parse().ok()
}

impl Watch {
    /// Connects, now or when the database is there. What is given back ends only if it died.
    pub(super) fn start(database: &Path) -> (Self, JoinHandle<()>) {
        let cache = Cache::of(OPEN_VSWITCH).watching::<Bridge>().watching::<Port>().watching::<Interface>();
        let remote = Remote::Unix(database.to_owned());
        let (live, task) = Live::start(remote, cache, Patience::default());
        (Self { live }, task)
    }

    /// Waits until the rows are known, or the database does not answer for a while. What takes much memory for a moment comes
    /// after that: rows between what is freed again would keep it from being given back.
    pub(super) async fn settled(&self) {
        // Why not is told with the news.
        let _known = self.live.ready().await;
        super::heap::give_back();
    }

    /// Forgets what was told so far: for whoever looks at everything next, and needs the room.
    pub(super) fn forget(&self) {
        drop(now(self.live.news()));
        super::heap::give_back();
    }

    /// Waits until something is changed that may have to be changed back.
    pub(super) async fn changed(&self) -> Task {
        loop {
            let task = self.task(&self.live.news().await);
            if !task.is_empty() {
                return task;
            }
        }
    }

    /// With what came since.
    pub(super) fn and(&self, mut task: Task) -> Task {
        // News that are there already are given at once, and those that are not are not waited for.
        if let Some(news) = now(self.live.news()) {
            task.add(self.task(&news));
        }
        task
    }

    fn task(&self, news: &News) -> Task {
        if let Link::Down { why } = &news.link {
            tracing::warn!(why, "the switch's database does not answer");
            return Task::default();
        }
        if news.replaced {
            tracing::warn!("the switch's database is another one");
            return Task { which: Which::All, spec: true, collect: None };
        }
        let ids = news.changes.iter().filter_map(|change| attachment(change.was.as_ref()?));
        let mut task = Task { which: Which::These(ids.collect()), spec: false, collect: None };
        task.spec = news.changes.iter().any(is_of_spec);
        if task.spec || news.changes.iter().any(|change| is_start(change) || is_moved(change)) {
            task.add(Task { which: Which::All, ..Task::default() });
        }
        task
    }

    /// Attachments that have no rows. Where nothing is known, there is none.
    pub(super) fn missing(&self, node: &Node) -> Which {
        let ids = || -> Option<BTreeSet<AttachmentId>> {
            if self.live.link() != Link::Up {
                return None;
            }
            let rows = self.live.rows::<Interface>().ok()?;
            let there: BTreeSet<AttachmentId> = rows.into_iter().filter_map(|row| row.0).collect();
            let known = Store::open(node).and_then(|store| store.list()).ok()?;
            Some(known.into_iter().filter(|id| !there.contains(id)).collect())
        };
        Which::AllButRowsOnlyOf(ids().unwrap_or_default())
    }
}

/// What a future has at once.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

/// Whether somebody gave a port other VLANs.
fn is_moved(change: &Change) -> bool {
    change.table == Port::NAME && change.was.is_some() && change.is.is_some()
}

/// Whether a spec may have been undone: a bridge that is not what it was, or options of the switch.
fn is_of_spec(change: &Change) -> bool {
    let options = |row: &Option<Row>| row.as_ref().and_then(|row| row.get("other_config").cloned());
    match change.table.as_str() {
        Bridge::NAME => change.was.is_some(),
        OpenVswitch::NAME => options(&change.was) != options(&change.is),
        _ => false,
    }
}

/// Whether DPDK has come up since: before, no port could be made.
fn is_start(change: &Change) -> bool {
    let ready = |row: &Option<Row>| row.as_ref().and_then(|row| bool::read(row.get("dpdk_initialized")?));
    change.table == OpenVswitch::NAME && ready(&change.is) == Some(true) && ready(&change.was) != Some(true)
}

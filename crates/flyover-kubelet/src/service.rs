//! What kubelet asks about one resource, and the answers.
//!
//! Invariant: a stream of devices ends when the resource's sender is gone, and what was sent last is read before. So a
//! resource that goes is emptied first, and kubelet sees that.

use std::sync::Arc;

use futures::Stream;
use futures::stream::unfold;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;

use crate::name::ResourceName;
use crate::resource::{NotGiven, Resource};
use crate::rpc::{self, Answers};
use crate::state::Board;
use crate::wire::device::{
    ALLOCATE, AllocateRequest, AllocateResponse, ContainerPreferredAllocationResponse, DevicePluginOptions,
    Empty, LIST_AND_WATCH, ListAndWatchResponse, OPTIONS, PRE_START, PREFERRED, PreStartContainerRequest,
    PreferredAllocationRequest, PreferredAllocationResponse,
};

/// Which calls we want. Nothing has to be done to a device before a container starts.
pub(crate) const WANTED: DevicePluginOptions =
    DevicePluginOptions { pre_start_required: false, get_preferred_allocation_available: true };

/// One resource, as kubelet sees it.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: ResourceName,
    pub(crate) resource: watch::Receiver<Resource>,
    pub(crate) streams: Streams,
    pub(crate) board: Board,
}

/// The streams of devices that are read.
#[derive(Clone, Debug)]
pub(crate) struct Streams(Arc<watch::Sender<Newest>>);

/// The one that was opened last: that of the last registration. Kubelet forgets about older ones without closing them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Newest {
    /// The how-manieth it is.
    pub(crate) number: u64,
    /// Whether it is still read.
    pub(crate) open: bool,
}

/// A stream that is read.
struct Open {
    streams: Streams,
    number: u64,
}

/// What a stream knows.
struct Listing {
    resource: watch::Receiver<Resource>,
    sent: Option<ListAndWatchResponse>,
    _open: Open,
}

impl Streams {
    pub(crate) fn none() -> Self {
        Self(Arc::new(watch::Sender::new(Newest::default())))
    }

    pub(crate) fn read(&self) -> watch::Receiver<Newest> {
        self.0.subscribe()
    }

    fn open(&self) -> Open {
        let mut number = 0;
        self.0.send_modify(|newest| {
            number = newest.number + 1;
            *newest = Newest { number, open: true };
        });
        Open { streams: self.clone(), number }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.streams.0.send_if_modified(|newest| {
            let last = newest.number == self.number;
            newest.open &= !last;
            last
        });
    }
}

impl Listing {
    /// The next list that differs from the one before; none when the resource is gone.
    async fn next(&mut self) -> Option<ListAndWatchResponse> {
        loop {
            let list = self.resource.borrow_and_update().list();
            if self.sent.as_ref() != Some(&list) {
                self.sent = Some(list.clone());
                return Some(list);
            }
            self.resource.changed().await.ok()?;
        }
    }
}

impl Service {
    fn list(&self) -> impl Stream<Item = Result<ListAndWatchResponse, Status>> + use<> {
        let listing = Listing { resource: self.resource.clone(), sent: None, _open: self.streams.open() };
        unfold(listing, |mut listing| async move { Some((Ok(listing.next().await?), listing)) })
    }

    fn preferred(&self, request: &PreferredAllocationRequest) -> PreferredAllocationResponse {
        let resource = self.resource.borrow();
        let of = |container: &crate::wire::device::ContainerPreferredAllocationRequest| {
            let count = container.allocation_size.try_into().unwrap_or(0);
            let (available, must) = (&container.available_device_ids, &container.must_include_device_ids);
            ContainerPreferredAllocationResponse { device_ids: resource.preferred(available, must, count) }
        };
        PreferredAllocationResponse {
            container_responses: request.container_requests.iter().map(of).collect(),
        }
    }

    fn allocate(&self, request: AllocateRequest) -> Result<AllocateResponse, Status> {
        let given: Result<Vec<_>, NotGiven> = {
            let resource = self.resource.borrow();
            let of = |ids: &[String]| resource.allocate(&self.name, ids);
            request.container_requests.iter().map(|container| of(&container.devices_ids)).collect()
        };
        let container_responses = given.map_err(|why| {
            tracing::warn!(resource = %self.name, %why, "kubelet asked for what cannot be given");
            match why {
                NotGiven::Unknown { .. } => Status::invalid_argument(why.to_string()),
                NotGiven::Unhealthy { .. } => Status::failed_precondition(why.to_string()),
            }
        })?;
        let devices: Vec<_> = request.container_requests.into_iter().flat_map(|c| c.devices_ids).collect();
        tracing::info!(resource = %self.name, ?devices, "given to a container");
        self.board.allocated(&self.name, devices);
        Ok(AllocateResponse { container_responses })
    }
}

impl Answers for Service {
    async fn answer(self, path: String, request: http::Request<Body>) -> http::Response<Body> {
        match path.as_str() {
            OPTIONS => rpc::one(request, |Empty {}| async { Ok(WANTED) }).await,
            LIST_AND_WATCH => rpc::many::<Empty, _>(request, self.list()).await,
            PREFERRED => rpc::one(request, |asked| async move { Ok(self.preferred(&asked)) }).await,
            ALLOCATE => rpc::one(request, |asked| async move { self.allocate(asked) }).await,
            PRE_START => rpc::one(request, |_: PreStartContainerRequest| async { Ok(Empty {}) }).await,
            _ => rpc::unknown(),
        }
    }
}

//! gRPC over unix sockets with as little around it as it takes: a question, an answer, a stream of answers.
//!
//! Nothing is generated: a side that answers is a function from a path and a request to a response, and four functions do
//! what all methods have in common.

use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use http::uri::PathAndQuery;
use prost::Message;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::server::{ServerStreamingService, UnaryService};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The longest answer that is read: kubelet's own limit for its list of pods.
const LONGEST: usize = 16 << 20;

/// What goes over the wire in either direction.
pub trait Said: Message + Default + 'static {}

impl<M: Message + Default + 'static> Said for M {}

/// Connects to a socket.
pub async fn connect(socket: &Path) -> Result<Channel, Status> {
    let unsaid = || Status::unavailable(format!("the path `{}` is not UTF-8", socket.display()));
    let path = socket.to_str().ok_or_else(unsaid)?;
    let endpoint = Endpoint::from_shared(format!("unix:{path}")).map_err(|error| broken(&error))?;
    endpoint.connect().await.map_err(|error| broken(&error))
}

/// Asks, and waits so long for the answer.
pub async fn ask<Q: Said, A: Said>(
    channel: Channel,
    path: &'static str,
    question: Q,
    limit: Duration,
) -> Result<A, Status> {
    let asked = async {
        let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(LONGEST);
        grpc.ready().await.map_err(|error| broken(&error))?;
        let codec = ProstCodec::default();
        let answer = grpc.unary(Request::new(question), PathAndQuery::from_static(path), codec).await?;
        Ok(answer.into_inner())
    };
    let late = || Err(Status::deadline_exceeded(format!("no answer within {} s", limit.as_secs())));
    timeout(limit, asked).await.unwrap_or_else(|_| late())
}

/// Asks for answers without end.
pub async fn follow<Q: Said, A: Said>(
    channel: Channel,
    path: &'static str,
    question: Q,
) -> Result<Streaming<A>, Status> {
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(LONGEST);
    grpc.ready().await.map_err(|error| broken(&error))?;
    let codec = ProstCodec::default();
    let answers = grpc.server_streaming(Request::new(question), PathAndQuery::from_static(path), codec);
    Ok(answers.await?.into_inner())
}

/// The innermost reason: the outer ones only say that a transport failed.
fn broken(error: &dyn std::error::Error) -> Status {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    Status::unavailable(inner.to_string())
}

/// One who answers.
pub trait Answers: Clone + Send + 'static {
    /// Answers what is asked at `path`.
    fn answer(
        self,
        path: String,
        request: http::Request<Body>,
    ) -> impl Future<Output = http::Response<Body>> + Send;
}

/// One who answers, as a server takes it.
#[derive(Clone, Debug)]
pub struct Served<A>(pub A);

impl<A: Answers> tower_service::Service<http::Request<Body>> for Served<A> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (answers, path) = (self.0.clone(), request.uri().path().to_owned());
        Box::pin(async move { Ok(answers.answer(path, request).await) })
    }
}

/// What is done about one question.
struct Once<F>(Option<F>);

impl<F> Once<F> {
    fn take(&mut self) -> Result<F, Status> {
        self.0.take().ok_or_else(|| Status::internal("asked twice"))
    }
}

impl<Q, A, F, T> UnaryService<Q> for Once<F>
where
    A: Send + 'static,
    F: FnOnce(Q) -> T,
    T: Future<Output = Result<A, Status>> + Send + 'static,
{
    type Response = A;
    type Future = Boxed<Result<Response<A>, Status>>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        match self.take() {
            Ok(answer) => {
                let answer = answer(request.into_inner());
                Box::pin(async { answer.await.map(Response::new) })
            }
            Err(status) => Box::pin(async { Err(status) }),
        }
    }
}

/// As [`Once`], with answers without end.
struct Endless<S>(Option<S>);

impl<Q, A, S> ServerStreamingService<Q> for Endless<S>
where
    S: Stream<Item = Result<A, Status>> + Send + 'static,
{
    type Response = A;
    type ResponseStream = S;
    type Future = std::future::Ready<Result<Response<S>, Status>>;

    fn call(&mut self, _: Request<Q>) -> Self::Future {
        let stream = self.0.take().ok_or_else(|| Status::internal("asked twice"));
        std::future::ready(stream.map(Response::new))
    }
}

/// Reads a question and gives its answer.
pub async fn one<Q: Said, A: Said, T>(
    request: http::Request<Body>,
    answer: impl FnOnce(Q) -> T,
) -> http::Response<Body>
where
    T: Future<Output = Result<A, Status>> + Send + 'static,
{
    tonic::server::Grpc::new(ProstCodec::default()).unary(Once(Some(answer)), request).await
}

/// Reads a question and gives answers until there are no more.
pub async fn many<Q: Said, A: Said>(
    request: http::Request<Body>,
    answers: impl Stream<Item = Result<A, Status>> + Send + 'static,
) -> http::Response<Body> {
    let codec: ProstCodec<A, Q> = ProstCodec::default();
    tonic::server::Grpc::new(codec).server_streaming(Endless(Some(answers)), request).await
}

/// Says that nobody answers at this path.
#[must_use]
pub fn unknown() -> http::Response<Body> {
    Status::unimplemented("no such method").into_http()
}

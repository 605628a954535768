//! The small server that hands out a process's metrics; what they are, the process knows.
//!
//! Where it is told how, it also says whether the process is alive and ready, at `/healthz` and `/readyz`.
//!
//! Invariants: only `GET /metrics` is answered with them; they are read on a thread of their own, since reading takes a while
//! and the caller's thread has events to follow; a reader's failure is its own.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Content type of the OpenMetrics text format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long to wait where no connection can be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// How a process is, as those ask who start it anew or send it work.
#[derive(Clone)]
pub struct Health {
    alive: Arc<dyn Fn() -> bool + Send + Sync>,
    ready: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}

impl Health {
    /// By what is asked whether it is alive, and whether it is ready.
    pub fn new(
        alive: impl Fn() -> bool + Send + Sync + 'static,
        ready: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { alive: Arc::new(alive), ready: Arc::new(ready) }
    }

    fn answer(&self, path: &str) -> Option<Response<Full<Bytes>>> {
        let good = match path {
            "/healthz" => (self.alive)(),
            "/readyz" => (self.ready)(),
            _ => return None,
        };
        let (status, word) =
            if good { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "no\n") };
        Some(reply(status, "text/plain", word.into()))
    }
}

/// Serves what `text` reads, until the process ends.
pub async fn serve<F, E>(listener: TcpListener, text: F)
where
    F: Fn() -> Result<String, E> + Clone + Send + 'static,
    E: Display + Send + 'static,
{
    serve_all(listener, text, None).await;
}

/// Serves what `text` reads and how the process is, until it ends.
pub async fn serve_with_health<F, E>(listener: TcpListener, text: F, health: Health)
where
    F: Fn() -> Result<String, E> + Clone + Send + 'static,
    E: Display + Send + 'static,
{
    serve_all(listener, text, Some(health)).await;
}

async fn serve_all<F, E>(listener: TcpListener, text: F, health: Option<Health>)
where
    F: Fn() -> Result<String, E> + Clone + Send + 'static,
    E: Display + Send + 'static,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others will be closed meanwhile.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (text, health) = (text.clone(), health.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, text.clone(), health.clone()));
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "a reader of metrics went away");
            }
        });
    }
}

async fn answer<F, E>(
    request: Request<Incoming>,
    text: F,
    health: Option<Health>,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    F: Fn() -> Result<String, E> + Send + 'static,
    E: Display + Send + 'static,
{
    let path = request.uri().path();
    if request.method() == Method::GET
        && let Some(said) = health.and_then(|health| health.answer(path))
    {
        return Ok(said);
    }
    if request.method() != Method::GET || path != "/metrics" {
        return Ok(reply(StatusCode::NOT_FOUND, "text/plain", "metrics are at /metrics\n".into()));
    }
    Ok(match tokio::task::spawn_blocking(text).await {
        Ok(Ok(body)) => reply(StatusCode::OK, OPENMETRICS, body),
        Ok(Err(error)) => reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("{error}\n")),
        Err(error) => reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("{error}\n")),
    })
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

//! The small server that hands out metrics.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::switch::SwitchError;

/// Content type of the OpenMetrics text format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until the process ends. A connection's failure is its own.
pub(super) async fn serve<F>(listener: TcpListener, text: F)
where
    F: Fn() -> Result<String, SwitchError> + Clone + Send + 'static,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others will be closed meanwhile.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let text = text.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, text.clone()));
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "a reader of metrics went away");
            }
        });
    }
}

async fn answer<F>(request: Request<Incoming>, text: F) -> Result<Response<Full<Bytes>>, Infallible>
where
    F: Fn() -> Result<String, SwitchError> + Send + 'static,
{
    if request.method() != Method::GET || request.uri().path() != "/metrics" {
        return Ok(reply(StatusCode::NOT_FOUND, "text/plain", "metrics are at /metrics\n".into()));
    }
    // The switch takes a while to answer: not on the thread that hears of its changes.
    let read = tokio::task::spawn_blocking(move || {
        let text = text();
        super::heap::give_back();
        text
    });
    Ok(match read.await {
        Ok(Ok(body)) => reply(StatusCode::OK, OPENMETRICS, body),
        Ok(Err(error)) => reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("{error}\n")),
        Err(error) => reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("{error}\n")),
    })
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}

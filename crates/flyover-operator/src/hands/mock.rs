//! An API server that answers what a test tells it, and remembers what it was asked.

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::FutureExt;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::Hands;
use crate::lease::Leading;

/// Method, path and body of a request.
pub(crate) type Asked = (String, String, Value);

/// The server. Once it has no answer left it does not answer.
#[derive(Clone, Default)]
pub(crate) struct Mock {
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
}

impl Mock {
    /// What it answers next.
    pub(crate) fn will(&self, code: u16, answer: Value) {
        self.answers.lock().unwrap().push_back((code, answer));
    }

    /// What it was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Hands that write to it.
    pub(crate) fn hands(&self) -> Hands {
        Hands::new(Client::new(self.clone(), "default"), Leading::always())
    }
}

impl tower_service::Service<Request<Body>> for Mock {
    type Response = Response<Body>;
    type Error = io::Error;
    type Future = Ready<Result<Response<Body>, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (head, body) = request.into_parts();
        let body = body.collect_bytes().now_or_never().expect("it is all there").expect("it is bytes");
        let body = serde_json::from_slice(&body).unwrap_or_default();
        self.asked.lock().unwrap().push((head.method.to_string(), head.uri.path().to_owned(), body));
        let Some((code, answer)) = self.answers.lock().unwrap().pop_front() else {
            return ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let body = Body::from(answer.to_string().into_bytes());
        ready(Ok(Response::builder().status(code).body(body).expect("it is an answer")))
    }
}

/// What a server says that does not do what it was asked.
pub(crate) fn status(code: u16, message: &str) -> Value {
    let said = if code < 300 { "Success" } else { "Failure" };
    json!({"apiVersion": "v1", "kind": "Status", "status": said, "code": code, "message": message})
}

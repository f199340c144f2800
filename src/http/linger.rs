//! A body that is refused while it still comes: the caller gets its answer whole, and is not
//! listened to for ever.
//!
//! Closing at once would reset the connection and could take the answer with it, so the server goes
//! on reading for a bounded time (`client_disconnect_timeout`) and drops what it reads. It does so
//! for a body with a length; one in chunks whose reader is gone it would read to its end, however
//! late that comes. So the answer holds such a body until it is sent.

use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header;
use bytes::Bytes;
use futures_core::Stream;

/// A body in chunks, shared by whoever reads it and the answer.
pub(super) struct Coming {
    _payload: Rc<RefCell<Payload>>,
}

impl Coming {
    /// The body of a request that comes in chunks; the request keeps it too.
    pub fn of(request: &mut ServiceRequest) -> Option<Coming> {
        if !request.headers().contains_key(header::TRANSFER_ENCODING) {
            return None;
        }
        let shared = Rc::new(RefCell::new(request.take_payload()));
        let reader = Reader(Rc::clone(&shared));
        request.set_payload(Payload::Stream { payload: Box::pin(reader) });
        Some(Coming { _payload: shared })
    }

    /// Holds it until the answer is sent.
    pub fn hold<B: MessageBody + 'static>(
        self,
        response: ServiceResponse<EitherBody<B>>,
    ) -> ServiceResponse<EitherBody<B>> {
        response.map_body(|_, body| {
            EitherBody::right(BoxBody::new(Holding { body: body.boxed(), _coming: self }))
        })
    }
}

struct Reader(Rc<RefCell<Payload>>);

impl Stream for Reader {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// The body of an answer as it was.
struct Holding {
    body: BoxBody,
    _coming: Coming,
}

impl MessageBody for Holding {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

//! Streams, throughput and connections between two machines.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use socket2::Socket;

use super::control::{Control, Job, Task, Word, out_of_turn};
use super::{Seat, server, watch};
use crate::connect::{self as crr, Connect, Transactions};
use crate::error::{MeasureError, failed};
use crate::pingpong::open;
use crate::stream::{self, Offer, Outcome};
use crate::throughput::{self as bulk, Carried, Throughput};

/// Tells the server what to do, and hears where it waits.
fn begin(
    control: Socket,
    [ours, theirs]: &[Seat; 2],
    task: Task,
) -> Result<(Control, SocketAddr), MeasureError> {
    if let Some(cpu) = ours.cpu {
        crate::place::pin(cpu)?;
    }
    let mut control = Control::new(Arc::new(control));
    server::greeted(&mut control)?;
    control.say(&Word::Job(Box::new(Job { seat: theirs.clone(), task })))?;
    match control.hear()? {
        Word::Ready(Some(there)) => Ok((control, there)),
        word => Err(out_of_turn(&word)),
    }
}

/// UDP round trips, one rate after the other; `tell` hears of each as it is known, and says whether to go on.
pub fn stream(
    control: Socket,
    seats: &[Seat; 2],
    offers: &[Offer],
    tell: &mut dyn FnMut(&Offer, &Outcome) -> bool,
) -> Result<(), MeasureError> {
    let (control, there) = begin(control, seats, Task::Stream)?;
    let (socket, _) = seats[0].udp(server::near(&control)?)?;
    socket.connect(there).map_err(failed("connect to", there.to_string()))?;
    for offer in offers {
        if !tell(offer, &stream::offer(&socket, offer)?) {
            break;
        }
    }
    control.close();
    Ok(())
}

/// Bulk transfer to the server, which counts.
pub fn throughput(control: Socket, seats: &[Seat; 2], spec: &Throughput) -> Result<Carried, MeasureError> {
    let streams = spec.streams.max(1);
    let (mut control, there) = begin(control, seats, Task::Throughput { streams })?;
    let place = seats[0].place();
    let sockets: Vec<TcpStream> =
        (0..streams).map(|_| open::connect(&place, there).map(Into::into)).collect::<Result<_, _>>()?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let senders: Vec<_> =
            sockets.iter().map(|socket| scope.spawn(|| bulk::send(socket, &place, &over))).collect();
        let (warmup, duration) = (spec.warmup, spec.duration);
        let heard = control.say(&Word::Count { warmup, duration }).and_then(|()| control.hear());
        over.store(true, Ordering::SeqCst);
        shut(&sockets);
        let sent: Result<Vec<()>, _> =
            senders.into_iter().map(|sender| sender.join().expect("a sender does not panic")).collect();
        match heard? {
            Word::Carried { bytes, elapsed } => sent.map(|_| Carried { bytes, elapsed }),
            word => Err(out_of_turn(&word)),
        }
    })
}

/// A fresh connection for each request.
pub fn connect(control: Socket, seats: &[Seat; 2], spec: &Connect) -> Result<Transactions, MeasureError> {
    let (control, there) = begin(control, seats, Task::Connect)?;
    let done = crr::transactions(spec, there);
    control.close();
    done
}

pub(super) fn serve_stream(control: &Control, seat: &Seat) -> Result<(), MeasureError> {
    let (socket, here) = seat.udp(server::near(control)?)?;
    serve_until_gone(control, socket, here, stream::echo)
}

pub(super) fn serve_connect(control: &Control, seat: &Seat) -> Result<(), MeasureError> {
    let (listener, here) = seat.listen(server::near(control)?)?;
    serve_until_gone(control, TcpListener::from(listener), here, crr::serve)
}

/// Says where the socket is reached, and serves on it until the client is gone.
fn serve_until_gone<S: AsFd + Send + Sync + 'static>(
    control: &Control,
    socket: S,
    here: SocketAddr,
    serve: impl FnOnce(&S, &AtomicBool) -> Result<(), MeasureError>,
) -> Result<(), MeasureError> {
    let (socket, over) = (Arc::new(socket), Arc::new(AtomicBool::new(false)));
    let (watched, told) = (Arc::clone(&socket), Arc::clone(&over));
    let watch = watch::until_gone(control.share(), move || {
        told.store(true, Ordering::SeqCst);
        // An unconnected socket answers with an error, but wakes its readers all the same.
        let _woken = socket2::SockRef::from(&*watched).shutdown(std::net::Shutdown::Both);
    });
    control.say(&Word::Ready(Some(here)))?;
    let served = serve(&socket, &over);
    watch.join().expect("a watch does not panic");
    served
}

pub(super) fn serve_throughput(
    control: &mut Control,
    seat: &Seat,
    streams: usize,
) -> Result<(), MeasureError> {
    let (listener, here) = seat.listen(server::near(control)?)?;
    control.say(&Word::Ready(Some(here)))?;
    let accepted = |_| listener.accept().map(|(socket, _)| TcpStream::from(socket));
    let sockets: Vec<TcpStream> = (0..streams)
        .map(accepted)
        .collect::<Result<_, _>>()
        .map_err(failed("accept on", here.to_string()))?;
    let (place, over, arrived) = (seat.place(), AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for socket in &sockets {
            scope.spawn(|| bulk::count(socket, &place, &over, &arrived));
        }
        let counted = count(control, &arrived);
        over.store(true, Ordering::SeqCst);
        shut(&sockets);
        counted
    })
}

fn count(control: &mut Control, arrived: &AtomicU64) -> Result<(), MeasureError> {
    let Word::Count { warmup, duration } = control.hear()? else {
        return Err(MeasureError::Peer("never asked for the count".to_owned()));
    };
    let spec = Throughput { streams: 1, warmup: warmup.min(HOUR), duration: duration.min(HOUR) };
    let carried = bulk::watch(&spec, arrived, || false)?;
    control.say(&Word::Carried { bytes: carried.bytes, elapsed: carried.elapsed })?;
    // The client stops sending before it goes; until then we must read.
    let _gone = control.hear();
    Ok(())
}

/// No client keeps a server for longer.
const HOUR: Duration = Duration::from_secs(3600);

fn shut(sockets: &[TcpStream]) {
    for socket in sockets {
        // A connection that is gone needs no waking.
        let _woken = socket.shutdown(std::net::Shutdown::Both);
    }
}

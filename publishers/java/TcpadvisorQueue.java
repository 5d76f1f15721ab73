// SPDX-License-Identifier: Apache-2.0
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Tells every running tcpadvisor how many bytes wait for a connection in a queue of this program (docs/user-queues.md).
 * Java 16 or later, nothing else. Java has no Unix datagrams, so it speaks over the agent's streams, in a thread of its own.
 * A Netty channel: tell(c.localAddress(), c.remoteAddress(), () -> pending(c), c.config().getWriteBufferHighWaterMark(),
 * c.config().getWriteBufferLowWaterMark()), where pending is c.unsafe().outboundBuffer().totalPendingWriteBytes(), or 0 when
 * that buffer is null. Whoever tells of a connection forgets it when it is closed.
 */
public final class TcpadvisorQueue {
    private record Queue(String line, LongSupplier queued) {}
    private static final Map<SocketAddress, Queue> QUEUES = new ConcurrentHashMap<>(); // by remote address
    private static final Map<Path, SocketChannel> AGENTS = new ConcurrentHashMap<>();
    private static Thread speaker;

    public static synchronized void tell(SocketAddress local, SocketAddress remote, LongSupplier queued, long high, long low) {
        QUEUES.put(remote, new Queue("tcpadvisor-queue 1 local=" + text(local) + " remote=" + text(remote) + " high=" + high
            + " low=" + low + " name=java queued=", queued));
        if (speaker != null) return;
        speaker = new Thread(TcpadvisorQueue::speak, "tcpadvisor-queue");
        speaker.setDaemon(true);
        speaker.start();
    }
    public static void forget(SocketAddress remote) { QUEUES.remove(remote); }

    private static String text(SocketAddress address) {
        String host = ((InetSocketAddress) address).getAddress().getHostAddress();
        return (host.contains(":") ? "[" + host + "]" : host) + ":" + ((InetSocketAddress) address).getPort();
    }
    private static void speak() {
        String own = System.getenv("TCPADVISOR_QUEUES"), user = System.getenv("XDG_RUNTIME_DIR");
        List<String> places = own != null ? List.of(own) : List.of("/run/tcpadvisor/queues", user + "/tcpadvisor/queues");
        while (true) {
            List<Map.Entry<Long, String>> lines = QUEUES.values().stream().map(one -> Map.entry(one.queued.getAsLong(), one.line)).toList();
            byte[] text = lines.stream().sorted(Map.Entry.<Long, String>comparingByKey().reversed()).limit(250)
                .map(one -> one.getValue() + one.getKey() + "\n").collect(Collectors.joining()).getBytes();
            for (String place : places) tellAgents(Path.of(place), text);
            try { Thread.sleep(500); } catch (InterruptedException end) { return; }
        }
    }
    private static void tellAgents(Path place, byte[] text) {
        try (Stream<Path> files = Files.list(place)) {
            files.filter(file -> file.toString().endsWith(".stream")).forEach(file -> tellAgent(file, ByteBuffer.wrap(text)));
        } catch (IOException nobody) { /* listens there */ }
    }
    private static void tellAgent(Path file, ByteBuffer text) { // the thread may wait for the agent, the program never does
        try {
            if (!AGENTS.containsKey(file)) AGENTS.put(file, SocketChannel.open(UnixDomainSocketAddress.of(file)));
            while (text.hasRemaining()) AGENTS.get(file).write(text);
        } catch (IOException gone) { AGENTS.remove(file); }
    }
}

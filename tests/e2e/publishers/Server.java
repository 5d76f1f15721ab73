// SPDX-License-Identifier: Apache-2.0
// Java with plain NIO: answers SIZE bytes to whoever connects, from a queue of its own, as Server PORT SIZE.
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;

public final class Server {
    public static void main(String[] arguments) throws Exception {
        ServerSocketChannel listener = ServerSocketChannel.open();
        listener.bind(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])));
        SocketChannel channel = listener.accept();
        channel.configureBlocking(false);
        ByteBuffer queue = ByteBuffer.allocate(Integer.parseInt(arguments[1]));
        TcpadvisorQueue.tell(channel.getLocalAddress(), channel.getRemoteAddress(), queue::remaining, 65536, 32768);
        Selector selector = Selector.open();
        channel.register(selector, SelectionKey.OP_WRITE);
        while (queue.hasRemaining()) {
            selector.select();
            channel.write(queue);
            selector.selectedKeys().clear();
        }
    }
}

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * One partition's flows. A live flow's event passes; a paused one's goes into the queue, and so does what arrives while its
 * queue is not empty. A punctuator drains the queues of flows that are not paused any more, in order.
 *
 * <p>It does less than the gate, and so may be faster than an equal would be: it keeps all events of a record, has no timers,
 * numbers nothing, keeps no counts and tells nobody what it did.
 */
final class Gate implements Processor<byte[], byte[], byte[], byte[]> {
    static final String QUEUE = "queue";

    /** How long a punctuation may drain: three partitions of a thread together stay below the interval of commits. */
    private static final long BUDGET = Duration.ofMillis(25).toNanos();

    private static final Duration INTERVAL = Duration.ofMillis(10);

    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<String, byte[]> states;
    private KeyValueStore<Bytes, byte[]> queue;

    /** Flows with held events, and from which offset on they are: what was drained is not looked at again. */
    private final Map<String, Long> held = new LinkedHashMap<>();

    /** As of how many commands it is known that there is nothing to drain. */
    private long idleAsOf = -1;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        states = context.getStateStore(States.STORE);
        queue = context.getStateStore(QUEUE);
        held.clear();
        try (KeyValueIterator<Bytes, byte[]> all = queue.all()) {
            while (all.hasNext()) {
                byte[] key = all.next().key.get();
                held.putIfAbsent(flowOf(key), offsetOf(key));
            }
        }
        context.schedule(INTERVAL, PunctuationType.WALL_CLOCK_TIME, now -> drain());
    }

    @Override
    public void process(Record<byte[], byte[]> event) {
        Document document = Document.read(event.value());
        String flow = document.flow();
        if (document.record() == null || !isKind(document.kind())) {
            throw new IllegalArgumentException("no event");
        }
        if (!isPaused(flow) && !held.containsKey(flow)) {
            context.forward(event);
            return;
        }
        long offset = context.recordMetadata().orElseThrow().offset();
        queue.put(key(flow, offset), entry(event));
        if (held.putIfAbsent(flow, offset) == null) {
            // It may have been resumed since the last look.
            idleAsOf = -1;
        }
    }

    private void drain() {
        long read = States.READ.get();
        if (read == idleAsOf) {
            return;
        }
        long end = System.nanoTime() + BUDGET;
        var flows = held.entrySet().iterator();
        while (flows.hasNext()) {
            var flow = flows.next();
            if (isPaused(flow.getKey())) {
                continue;
            }
            if (!drain(flow, end)) {
                return;
            }
            flows.remove();
        }
        idleAsOf = read;
    }

    /** False: there is more, and no time. */
    private boolean drain(Map.Entry<String, Long> flow, long end) {
        byte[] name = flow.getKey().getBytes(StandardCharsets.UTF_8);
        int drained = 0;
        try (var entries = queue.range(key(flow.getKey(), flow.getValue()), key(flow.getKey(), Long.MAX_VALUE))) {
            while (entries.hasNext()) {
                KeyValue<Bytes, byte[]> entry = entries.next();
                ByteBuffer value = ByteBuffer.wrap(entry.value);
                long timestamp = value.getLong();
                byte[] event = new byte[value.remaining()];
                value.get(event);
                context.forward(new Record<>(name, event, timestamp));
                queue.delete(entry.key);
                flow.setValue(offsetOf(entry.key.get()) + 1);
                drained++;
                if (drained % 100 == 0 && System.nanoTime() > end) {
                    return !entries.hasNext();
                }
            }
        }
        return true;
    }

    private boolean isPaused(String flow) {
        return states.get(flow) != null;
    }

    private static boolean isKind(String kind) {
        return kind == null || kind.equals("enroll") || kind.equals("advance");
    }

    /** Sorted by flow and offset: the flow's name, which has no zero in it, a zero, the offset. */
    private static Bytes key(String flow, long offset) {
        byte[] name = flow.getBytes(StandardCharsets.UTF_8);
        byte[] key = new byte[name.length + 1 + Long.BYTES];
        ByteBuffer.wrap(key).put(name).put((byte) 0).putLong(offset);
        return Bytes.wrap(key);
    }

    private static String flowOf(byte[] key) {
        return new String(key, 0, key.length - 1 - Long.BYTES, StandardCharsets.UTF_8);
    }

    private static long offsetOf(byte[] key) {
        return ByteBuffer.wrap(key, key.length - Long.BYTES, Long.BYTES).getLong();
    }

    private static byte[] entry(Record<byte[], byte[]> event) {
        byte[] entry = new byte[Long.BYTES + event.value().length];
        ByteBuffer.wrap(entry).putLong(event.timestamp()).put(event.value());
        return entry;
    }
}

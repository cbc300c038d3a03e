import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** Keeps which flows are paused, as the commands say. What is not in the store is live, or will be when it is drained. */
final class States implements Processor<String, byte[], Void, Void> {
    static final String STORE = "states";

    /** Commands read so far: while it stays the same, no flow's state has changed. */
    static final AtomicLong READ = new AtomicLong();

    private static final byte[] PAUSED = {1};

    private KeyValueStore<String, byte[]> states;

    @Override
    public void init(ProcessorContext<Void, Void> context) {
        states = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, byte[]> command) {
        Document document = Document.read(command.value());
        switch (document.action()) {
            case "pause" -> states.put(document.flow(), PAUSED);
            case "resume" -> states.delete(document.flow());
            default -> throw new IllegalArgumentException(document.action());
        }
        READ.incrementAndGet();
    }
}

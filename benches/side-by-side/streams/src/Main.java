import java.time.Duration;
import java.util.Properties;

import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.Stores;

/** The gate as a Kafka Streams application: exactly once, two threads, a commit every 100 ms. */
public final class Main {
    private Main() {}

    /** Brokers, application, and the topics of events, of commands and of what is delivered. */
    public static void main(String[] args) {
        KafkaStreams streams = new KafkaStreams(topology(args[2], args[3], args[4]), settings(args[0], args[1]));
        // Who looks on has to see that it ended.
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.ERROR || now == KafkaStreams.State.NOT_RUNNING) {
                Runtime.getRuntime().halt(1);
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
        streams.start();
    }

    private static Topology topology(String events, String commands, String delivered) {
        var bytes = Serdes.ByteArray();
        var states = Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(States.STORE), Serdes.String(), bytes);
        var queue = Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(Gate.QUEUE), Serdes.Bytes(), bytes);
        return new Topology()
            // Commands are all in one partition: each instance knows all states, and all of them before its first event.
            .addGlobalStore(
                states.withLoggingDisabled(),
                "commands",
                new StringDeserializer(),
                new ByteArrayDeserializer(),
                commands,
                "states-of-commands",
                States::new)
            .addSource("events", new ByteArrayDeserializer(), new ByteArrayDeserializer(), events)
            .addProcessor("gate", Gate::new, "events")
            .addStateStore(queue, "gate")
            .addSink("delivered", delivered, new ByteArraySerializer(), new ByteArraySerializer(), "gate");
    }

    /** The producer as the bare loop has it, and polls that bring as much as is there. */
    private static Properties settings(String brokers, String application) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, "state");
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        // With nothing to read a poll waits for so long, and the drain with it: the default is 100.
        settings.put(StreamsConfig.POLL_MS_CONFIG, 10);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.put(StreamsConfig.consumerPrefix("max.poll.records"), 10_000);
        settings.put(StreamsConfig.producerPrefix("linger.ms"), 5);
        settings.put(StreamsConfig.producerPrefix("batch.size"), 1_000_000);
        settings.put(StreamsConfig.producerPrefix("buffer.memory"), 64L * 1024 * 1024);
        return settings;
    }
}

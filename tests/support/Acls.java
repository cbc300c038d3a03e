import java.io.BufferedReader;
import java.io.InputStreamReader;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.tools.AclCommand;

/** Runs a line of arguments after the other as `kafka-acls` does, and says `done` and the exit code behind each. */
public class Acls {
    public static void main(String[] none) throws Exception {
        Exit.setExitProcedure((code, message) -> {
            throw new Ended(code, message);
        });
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            int code = 0;
            try {
                AclCommand.main(line.trim().split(" +"));
            } catch (Ended ended) {
                System.out.println(ended.getMessage());
                code = ended.code == 0 ? 0 : 1;
            }
            System.out.println("done " + code);
            System.out.flush();
        }
    }

    private static class Ended extends RuntimeException {
        final int code;

        Ended(int code, String message) {
            super(message);
            this.code = code;
        }
    }
}

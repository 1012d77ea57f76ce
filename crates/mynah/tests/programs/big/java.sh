# java: classes compiled, put into a jar and run from it; files mapped, watched over by many threads, locked; a child process.
cd "$1"
export JAVA_TOOL_OPTIONS= JDK_JAVA_OPTIONS='-XX:TieredStopAtLevel=1 -Xshare:auto'
unset JAVA_TOOL_OPTIONS
mkdir -p src/work classes
cat > src/work/Main.java <<'END'
package work;
import java.io.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
public class Main {
    public static void main(String[] words) throws Exception {
        Path here = Path.of("").toAbsolutePath();
        System.out.println(here.equals(Path.of(words[0])) + " " + Main.class.getResource("/work/note.txt").getProtocol());
        try (InputStream note = Main.class.getResourceAsStream("note.txt")) { System.out.print(new String(note.readAllBytes())); }
        Files.createDirectories(Path.of("a/b/c"));
        ExecutorService pool = Executors.newFixedThreadPool(16);
        List<Future<Long>> sizes = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            int n = i;
            sizes.add(pool.submit(() -> { Path p = Path.of("a/f" + n); Files.writeString(p, "x".repeat(n)); return Files.size(p); }));
        }
        long total = 0;
        for (Future<Long> size : sizes) total += size.get();
        pool.shutdown();
        System.out.println(total);
        try (Stream<Path> tree = Files.walk(Path.of("a"))) { System.out.println(tree.count()); }
        try (FileChannel file = FileChannel.open(Path.of("mapped"), StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            MappedByteBuffer map = file.map(FileChannel.MapMode.READ_WRITE, 0, 100000);
            map.position(5000); map.put("mapped".getBytes()); map.force();
            try (FileLock lock = file.lock(0, 10, false)) { System.out.println(lock.isValid() + " " + file.size()); }
        }
        Path target = Files.move(Path.of("mapped"), Path.of("a/b/moved"), StandardCopyOption.ATOMIC_MOVE);
        Files.createSymbolicLink(Path.of("link"), target);
        System.out.println(Files.isSameFile(Path.of("link"), target) + " " + Files.getPosixFilePermissions(target).size());
        Files.copy(target, Path.of("copy"), StandardCopyOption.COPY_ATTRIBUTES);
        System.out.println(Files.mismatch(target, Path.of("copy")) + " " + Files.getLastModifiedTime(target).equals(Files.getLastModifiedTime(Path.of("copy"))));
        try { Files.createDirectory(Path.of("a")); } catch (FileAlreadyExistsException e) { System.out.println(e); }
        try { Files.delete(Path.of("a")); } catch (DirectoryNotEmptyException e) { System.out.println(e); }
        try { Files.readString(Path.of("none")); } catch (NoSuchFileException e) { System.out.println(e); }
        try (RandomAccessFile file = new RandomAccessFile("random", "rw")) { file.seek(100); file.writeInt(7); file.setLength(1000); System.out.println(file.length()); }
        Process child = new ProcessBuilder("sh", "-c", "pwd; cat; exit 4").directory(new File("a/b")).redirectErrorStream(true).start();
        try (OutputStream in = child.getOutputStream()) { in.write("to the child\n".getBytes()); }
        System.out.print(new String(child.getInputStream().readAllBytes()));
        System.out.println(child.waitFor());
        Path temporary = Files.createTempFile(here, "t", null);
        temporary.toFile().deleteOnExit();
        System.out.println(Files.exists(temporary) + " " + Files.getOwner(temporary).equals(Files.getOwner(Path.of("a"))));
    }
}
END
echo 'a note in the jar' > classes/note.txt
mkdir classes/work && mv classes/note.txt classes/work
javac -d classes src/work/Main.java
java -cp classes work.Main "$PWD" 2>&1 | head -3
rm -r a link copy random
jar --create --file work.jar --main-class work.Main -C classes .
jar --list --file work.jar | grep work/ | sort
java -jar work.jar "$PWD"
# A jar holds times.
rm work.jar

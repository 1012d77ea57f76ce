# go: a module of two packages, built, tested, run; its programs are static and threaded.
mkdir "$1/work" "$1/temporary"
cd "$1/work"
export TMPDIR=$1/temporary
export GOPATH=$1/path GOCACHE=$1/cache GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off CGO_ENABLED=0 GOMAXPROCS=4
mkdir -p parts
printf 'module example.org/work\n\ngo 1.19\n' > go.mod
printf 'package parts\n\nfunc Sum(n int) (s int) {\n\tfor i := 1; i <= n; i++ {\n\t\ts += i\n\t}\n\treturn\n}\n' > parts/parts.go
cat > parts/parts_test.go <<'END'
package parts

import ("os"; "path/filepath"; "testing")

func TestSum(t *testing.T) { if Sum(10) != 55 { t.Fatal(Sum(10)) } }

func TestFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil { t.Fatal(err) }
	if _, err := os.Stat(name); err != nil { t.Fatal(err) }
}
END
cat > main.go <<'END'
package main

import ("bufio"; "fmt"; "io/fs"; "os"; "os/exec"; "path/filepath"; "sync"; "example.org/work/parts")

func main() {
	fmt.Println("sum", parts.Sum(100))
	var wait sync.WaitGroup
	for i := 0; i < 200; i++ {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			name := fmt.Sprintf("out/%d", i%20)
			f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
			if err != nil { panic(err) }
			fmt.Fprintln(f, "line")
			if err := f.Close(); err != nil { panic(err) }
		}(i)
	}
	wait.Wait()
	lines, files := 0, 0
	err := filepath.WalkDir("out", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() { return err }
		files++
		f, err := os.Open(path)
		if err != nil { return err }
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); { lines++ }
		return nil
	})
	fmt.Println(files, lines, err)
	_, err = os.ReadFile("none")
	fmt.Println(err)
	out, err := exec.Command("sh", "-c", "echo child; exit 3").Output()
	fmt.Printf("%s%v\n", out, err)
	here, _ := os.Getwd()
	fmt.Println(here == os.Args[1])
	self, _ := os.Executable()
	fmt.Println(filepath.Base(self), filepath.Dir(self) == here)
}
END
mkdir out
go build -o program .
./program "$PWD"
go vet ./parts
go test ./parts | cut -f 1,2
go list ./...
gofmt -l parts
# The cache and the program hold times and paths.
chmod -R u+w path 2> /dev/null || true
cd ..
rm -rf work/program cache path temporary

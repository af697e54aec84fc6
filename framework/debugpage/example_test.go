package debugpage_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/framework/debugpage"
	"github.com/docent-zk/docent/zktest"
)

// The page, as a program reads it.
func ExampleHandler() {
	server, err := zktest.Start(zktest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	cli, err := framework.New(framework.Config{ConnectString: server.ConnectString()})
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()

	mux := http.NewServeMux()
	mux.Handle("/debug/docent", debugpage.Handler(cli))
	request := httptest.NewRequest(http.MethodGet, "/debug/docent", nil)
	request.Header.Set("Accept", "application/json")
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, request)
	var report debugpage.Report
	fmt.Println(json.Unmarshal(answer.Body.Bytes(), &report), len(report.Clients))
	// Output: <nil> 1
}

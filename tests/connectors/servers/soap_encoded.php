<?php
// An rpc/encoded service by PHP's own SoapServer, behind HTTP Basic. The same object twice comes as href to its id.
$state = getenv('SOAP_STATE');
$wsdl = __DIR__ . '/soap_encoded.wsdl';
if (($_SERVER['PHP_AUTH_USER'] ?? '') !== 'hub' || ($_SERVER['PHP_AUTH_PW'] ?? '') !== '口令pass') {
    header('WWW-Authenticate: Basic realm="fgj"', true, 401); exit;
}
if ($_SERVER['REQUEST_METHOD'] === 'GET') { header('Content-Type: text/xml'); readfile($wsdl); exit; }

class Projects {
    function getProjects($beginDate, $endDate, $start, $count) {
        global $state;
        if (!preg_match('/^\d{4}-\d\d-\d\d$/', $beginDate) || !preg_match('/^\d{4}-\d\d-\d\d$/', $endDate) || $count > 100)
            throw new SoapFault(['http://schemas.xmlsoap.org/soap/envelope/', 'Server.userException'], '参数错误');
        if (file_exists("$state/Busy")) {
            $left = (int) file_get_contents("$state/Busy");
            if ($left > 0) { file_put_contents("$state/Busy", $left - 1);
                throw new SoapFault(['http://schemas.xmlsoap.org/soap/envelope/', 'Server.userException'], 'java.lang.NullPointerException'); }
        }
        $rows = array_values(array_filter(json_decode(file_get_contents("$state/projects.json")),
            fn($r) => $r === null || ($r->filingDate >= $beginDate && $r->filingDate < $endDate)));
        $page = array_slice($rows, $start, min($count, (int) (@file_get_contents("$state/cap") ?: 100)));
        if (!$page) return file_exists("$state/nil_end") ? null : [];
        if (file_exists("$state/twice")) $page[] = $page[0];
        return $page;
    }
}
ini_set('soap.wsdl_cache_enabled', '0');
$server = new SoapServer($wsdl, ['cache_wsdl' => WSDL_CACHE_NONE]);
$server->setClass('Projects');
$server->handle();

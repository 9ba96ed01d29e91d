<?php
// A document/literal service by PHP's own SoapServer: another namespace, port and result element than the contract's
// file has, WS-Security checked by hand on what came over the wire. State (used nonces, faults) in $SOAP_STATE.
$state = getenv('SOAP_STATE');
$wsdl = __DIR__ . '/soap_document.wsdl';
if ($_SERVER['REQUEST_METHOD'] === 'GET') {
    if (file_exists("$state/moved")) { http_response_code(404); echo '<html>not here</html>'; exit; }
    if (isset($_GET['wsdl']) && file_exists("$state/redirect") && !isset($_GET['v'])) {
        header('Location: ' . $_SERVER['PHP_SELF'] . '?wsdl&v=2', true, 302); exit;
    }
    header('Content-Type: text/xml');
    $text = file_get_contents(isset($_GET['xsd']) ? __DIR__ . '/soap_document.xsd' : $wsdl);
    // it names itself as its own network knows it
    echo str_replace('"soap_document.xsd"', '"http://10.255.255.1:8080/soap_document.php?xsd=1"', $text);
    exit;
}
$raw = file_get_contents('php://input');
file_put_contents("$state/calls", strlen($raw) . "\n", FILE_APPEND);

function refuse($code, $text) {
    // by SOAP 1.1's own namespace, as a qualified code
    throw new SoapFault(['http://schemas.xmlsoap.org/soap/envelope/', $code], $text);
}

function authenticate($raw, $state) {
    $get = fn($name) => preg_match("/<(?:\\w+:)?$name(?:\\s[^>]*)?>([^<]*)</", $raw, $found) ? trim($found[1]) : '';
    $nonce = base64_decode($get('Nonce'), true); $created = $get('Created');
    $type = preg_match('/Password Type="([^"]*)"/', $raw, $found) ? $found[1] : '';
    $digest = base64_encode(sha1($nonce . $created . '口令pass', true));
    $used = "$state/nonce-" . bin2hex($nonce);
    $now = time() + (int) @file_get_contents("$state/ahead");
    if ($get('Username') !== 'hub' || !str_ends_with($type, '#PasswordDigest') || $get('Password') !== $digest
        || strlen($nonce) < 8 || abs(strtotime($created) - $now) > 300 || file_exists($used)) {
        refuse('Client.Auth', '用户名令牌无效');
    }
    touch($used);
}

function fault_once($state) {
    foreach (['Busy', 'Timeout'] as $kind) {
        if (file_exists("$state/$kind")) {
            $left = (int) file_get_contents("$state/$kind");
            if ($left > 0) { file_put_contents("$state/$kind", $left - 1); refuse("Server.$kind", '系统繁忙'); }
        }
    }
}

function rows($state) { return json_decode(file_get_contents("$state/cases.json"), true); }

function document($cases, $total, $page) {
    $out = '<?xml version="1.0" encoding="GBK"?><APPROVEDATAINFO total="' . $total . '" page="' . $page . '">';
    foreach ($cases as $case) {
        $out .= '<CASE>';
        foreach ($case as $name => $value) {
            foreach (is_array($value) ? $value : [$value] as $one) {
                $out .= "<$name>";
                if (is_array($one)) foreach ($one as $k => $v) $out .= "<$k>" . htmlspecialchars($v, ENT_XML1) . "</$k>";
                else $out .= htmlspecialchars($one, ENT_XML1);
                $out .= "</$name>";
            }
        }
        $out .= '</CASE>';
    }
    return $out . '</APPROVEDATAINFO>';
}

class Approvals {
    function queryCases($p) {
        global $state, $raw;
        authenticate($raw, $state); fault_once($state);
        $limit = (int) @file_get_contents("$state/slow_above");
        if ($limit && $p->pageSize > $limit) refuse('Server.Timeout', '查询超时');
        if ($p->pageSize > 200 || $p->pageNo < 1) refuse('Client.Param', '参数错误');
        $rows = array_values(array_filter(rows($state), fn($r) =>
            ($p->beginTime === '' || $r['GXSJ'] >= $p->beginTime) && ($p->endTime === '' || $r['GXSJ'] < $p->endTime)));
        foreach ($rows as &$row) unset($row['CL']);
        return ['queryCasesReturn' => document(array_slice($rows, ($p->pageNo - 1) * $p->pageSize, $p->pageSize), count($rows), $p->pageNo)];
    }
    function getCaseDetail($p) {
        global $state, $raw;
        authenticate($raw, $state);
        $rows = array_values(array_filter(rows($state), fn($r) => $r['YWLSH'] === $p->YWLSH));
        return ['queryCasesReturn' => document($rows, count($rows), 1)];
    }
}
ini_set('soap.wsdl_cache_enabled', '0');
$server = new SoapServer($wsdl, ['cache_wsdl' => WSDL_CACHE_NONE]);
$server->setClass('Approvals');
$server->handle($raw);

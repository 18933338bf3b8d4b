// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {ContributorTest} from "../../mocks/ContributorTest.sol";
import {SignerWallet} from "../../mocks/SignerWallet.sol";

/// @title Contributor tables: who may put them in force, what they may hold, who is in which.
contract TablesTest is ContributorTest {
    function test_setContributors_keepsWhatWasAttested() public {
        IRewardDistributor.ContributorTable memory t = table(
            modelId,
            contributors(two(trainerA, delegatorA), two(uint32(5), uint32(6))),
            contributors(one(validatorB), one(uint32(type(uint24).max))),
            9
        );
        bytes memory signature = signDigest(distributor.tableDigest(t), "attester");

        vm.expectEmit(address(distributor));
        emit IRewardDistributor.ContributorsSet(modelId, 2, attester, t);
        distributor.setContributors(t, attester, signature);

        (
            uint256 tableId,
            uint64 nonce,
            IRewardDistributor.Contributor[] memory training,
            IRewardDistributor.Contributor[] memory validators
        ) = distributor.contributorsOf(modelId);
        assertEq(tableId, 2, "the second table of all");
        assertEq(nonce, 9, "nonce");
        assertEq(keccak256(abi.encode(training)), keccak256(abi.encode(t.training)), "training nodes");
        assertEq(keccak256(abi.encode(validators)), keccak256(abi.encode(t.validators)), "validators");
    }

    function test_membersOf_outlastsTheTable() public {
        attest(table(modelId, nobody(), nobody(), 2));

        (
            IRewardDistributor.Contributor[] memory training,
            IRewardDistributor.Contributor[] memory validators
        ) = distributor.membersOf(1);
        assertEq(training.length, 2, "training nodes of the first table");
        assertEq(validators.length, 2, "validators of the first table");
        (training, validators) = distributor.membersOf(2);
        assertEq(training.length + validators.length, 0, "the second has nobody");
        (training, validators) = distributor.membersOf(3);
        assertEq(training.length + validators.length, 0, "nor has one that is not");
    }

    function test_setContributors_takesOneAccountInBothRoles() public {
        attest(
            table(
                modelId,
                contributors(one(trainerA), one(uint32(1))),
                contributors(one(trainerA), one(uint32(1))),
                2
            )
        );
        assertEq(distributor.modelsOf(trainerA).length, 1, "in one model");
        answer(ask());
        assertEq(distributor.claimableOperator(trainerA), ppm(FEE, 500_000), "both parts");
        attest(table(modelId, nobody(), nobody(), 3));
        assertEq(distributor.modelsOf(trainerA).length, 0, "left once");
        assertEq(distributor.claimableOperator(trainerA), ppm(FEE, 500_000), "and keeps both");
    }

    function test_setContributors_keepsListsRightWhenTablesLeaveInAnyOrder() public {
        ModelId second = register("second", terms());
        ModelId third = register("third", terms());
        attest(table(second, contributors(one(trainerA), one(uint32(1))), nobody(), 1));
        attest(table(third, contributors(one(trainerA), one(uint32(1))), nobody(), 1));
        assertEq(distributor.modelsOf(trainerA).length, 3, "in three models");

        attest(table(modelId, nobody(), nobody(), 2));
        attest(table(second, nobody(), nobody(), 2));

        assertEq(distributor.modelsOf(trainerA).length, 1, "in one model");
        assertTrue(distributor.modelsOf(trainerA)[0] == third, "the right one");
        modelId = third;
        answer(ask());
        assertEq(distributor.claimableOperator(trainerA), ppm(FEE, 300_000), "still earns there");
    }

    /// Who stays, who leaves, who comes and who changes its role, in one change.
    function test_setContributors_movesMembersBetweenRoles() public {
        attest(
            table(
                modelId,
                contributors(two(validatorA, delegatorC), two(uint32(1), uint32(1))),
                contributors(two(trainerA, validatorB), two(uint32(1), uint32(1))),
                2
            )
        );
        answer(ask());
        (uint256 trainingPart, uint256 validatorPart) = split(FEE);

        assertEq(distributor.claimableOperator(validatorA), trainingPart / 2, "now a training node");
        assertEq(distributor.claimableOperator(delegatorC), trainingPart / 2, "new");
        assertEq(distributor.claimableOperator(trainerA), validatorPart / 2, "now a validator");
        assertEq(distributor.claimableOperator(validatorB), validatorPart / 2, "as before");
        assertEq(distributor.claimableOperator(trainerB), 0, "gone");
        assertEq(distributor.modelsOf(trainerB).length, 0, "gone");
    }

    /// What came in under former splits is shared out with the table: the next one begins with nothing.
    function test_setContributors_leavesNothingOfFormerSplitsToTheNextTable() public {
        earn(flat(1_000, 300_000, 200_000));
        earn(flat(1_000, 100_000, 50_000));
        attest(table(modelId, contributors(one(delegatorC), one(uint32(1))), nobody(), 2));

        earn(flat(1_000, 100_000, 50_000));
        earn(flat(1_000, 400_000, 0));

        assertEq(distributor.claimableOperator(delegatorC), 100 + 400, "of its own two answers");
    }

    function test_setContributors_takesSignaturesOfContracts() public {
        SignerWallet wallet = new SignerWallet(actor("wallet key"));
        vm.prank(owner);
        distributor.setAttester(address(wallet), true);
        IRewardDistributor.ContributorTable memory t = table(modelId, nobody(), nobody(), 2);
        bytes32 digest = distributor.tableDigest(t);
        bytes memory foreign = signDigest(digest, "attester");
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AttestationInvalid.selector, address(wallet)));
        distributor.setContributors(t, address(wallet), foreign);

        distributor.setContributors(t, address(wallet), signDigest(digest, "wallet key"));

        (, uint64 nonce,,) = distributor.contributorsOf(modelId);
        assertEq(nonce, 2, "ERC-1271");
    }

    /// A former table, attested as it was, must not come back.
    function test_setContributors_refusesFormerTables() public {
        IRewardDistributor.ContributorTable memory former = table(modelId, nobody(), nobody(), 2);
        bytes memory signature = signDigest(distributor.tableDigest(former), "attester");
        distributor.setContributors(former, attester, signature);
        IRewardDistributor.ContributorTable memory present = table(modelId, nobody(), nobody(), 7);
        distributor.setContributors(present, attester, signDigest(distributor.tableDigest(present), "attester"));

        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AttestationStale.selector, 2, 7));
        distributor.setContributors(former, attester, signature);
    }

    function test_setContributors_refusals() public {
        IRewardDistributor.ContributorTable memory t = table(modelId, nobody(), nobody(), 1);
        bytes memory signature = signDigest(distributor.tableDigest(t), "attester");
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AttestationStale.selector, 1, 1));
        distributor.setContributors(t, attester, signature);

        t.nonce = 2;
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AttestationInvalid.selector, attester));
        distributor.setContributors(t, attester, signature);
        signature = signDigest(distributor.tableDigest(t), "host");
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AttestationInvalid.selector, host));
        distributor.setContributors(t, host, signature);

        t.modelId = ModelId.wrap(bytes32(uint256(1)));
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.ModelUnknown.selector, t.modelId));
        distributor.setContributors(t, attester, signature);
    }

    function test_setContributors_revertsAfterTheExpiry() public {
        IRewardDistributor.ContributorTable memory t = table(modelId, nobody(), nobody(), 2);
        bytes memory signature = signDigest(distributor.tableDigest(t), "attester");
        vm.warp(uint256(t.expiry) + 1);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AttestationExpired.selector, t.expiry));
        distributor.setContributors(t, attester, signature);
        vm.warp(t.expiry);

        distributor.setContributors(t, attester, signature);

        (, uint64 nonce,,) = distributor.contributorsOf(modelId);
        assertEq(nonce, 2, "on its last second");
    }

    function test_setContributors_revertsForAttestersThatWereRemoved() public {
        vm.prank(owner);
        distributor.setAttester(attester, false);
        IRewardDistributor.ContributorTable memory t = table(modelId, nobody(), nobody(), 2);
        bytes memory signature = signDigest(distributor.tableDigest(t), "attester");

        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AttestationInvalid.selector, attester));
        distributor.setContributors(t, attester, signature);
    }

    function test_setContributors_revertsForBadTables() public {
        IRewardDistributor.Contributor[] memory members =
            contributors(two(trainerA, trainerB), two(uint32(1), uint32(1)));
        (members[0], members[1]) = (members[1], members[0]);
        _refused(members, abi.encodeWithSelector(IRewardDistributor.ContributorInvalid.selector, members[1].account));
        members = contributors(two(trainerA, trainerA), two(uint32(1), uint32(1)));
        _refused(members, abi.encodeWithSelector(IRewardDistributor.ContributorInvalid.selector, trainerA));
        members = contributors(one(trainerA), one(uint32(0)));
        _refused(members, abi.encodeWithSelector(IRewardDistributor.ContributorInvalid.selector, trainerA));
        members = contributors(one(address(0)), one(uint32(1)));
        _refused(members, abi.encodeWithSelector(IRewardDistributor.ContributorInvalid.selector, address(0)));
        _refused(_many(65), abi.encodeWithSelector(IRewardDistributor.TooManyContributors.selector, 65));
    }

    function test_setContributors_boundsTheWeightsOfARole() public {
        uint32 most = type(uint24).max;
        _refused(
            contributors(one(trainerA), one(most + 1)),
            abi.encodeWithSelector(IRewardDistributor.WeightsTooLarge.selector, uint256(most) + 1)
        );
        _refused(
            contributors(two(trainerA, trainerB), two(most, 1)),
            abi.encodeWithSelector(IRewardDistributor.WeightsTooLarge.selector, uint256(most) + 1)
        );
        _refused(
            contributors(two(trainerA, trainerB), two(type(uint32).max, type(uint32).max)),
            abi.encodeWithSelector(IRewardDistributor.WeightsTooLarge.selector, 2 * uint256(type(uint32).max))
        );
        attest(
            table(
                modelId,
                contributors(two(trainerA, trainerB), two(most - 1, 1)),
                contributors(one(validatorA), one(most)),
                2
            )
        );

        answer(ask());

        (uint256 training, uint256 validators) = split(FEE);
        assertEq(distributor.claimableOperator(trainerA), training * (most - 1) / most, "nearly all");
        assertEq(distributor.claimableOperator(trainerB), training / most, "next to nothing");
        assertEq(distributor.claimableOperator(validatorA), validators, "all of a role");
    }

    function test_setContributors_takes64MembersOfEachRole() public {
        IRewardDistributor.Contributor[] memory members = _many(64);
        attest(table(modelId, members, members, 2));
        answer(ask());
        (uint256 training, uint256 validators) = split(FEE);
        uint256 due;
        for (uint256 i; i < 64; ++i) {
            uint256 own = distributor.claimableOperator(members[i].account);
            assertEq(own, training * (i + 1) / 2_080 + validators * (i + 1) / 2_080, "by weight");
            due += own;
        }
        uint256 hostBefore = distributor.claimableHost(modelId);

        attest(table(modelId, nobody(), nobody(), 3));

        assertEq(
            distributor.claimableHost(modelId) - hostBefore,
            training + validators - due,
            "the host has what floors left over"
        );
        assertEq(distributor.claimableHost(modelId) + due, FEE, "nothing is lost");
    }

    function test_setContributors_revertsForAnAccountIn128Models() public {
        ModelId[] memory ids = new ModelId[](129);
        for (uint256 i; i < 129; ++i) {
            ids[i] = register(vm.toString(i), terms());
        }
        IRewardDistributor.Contributor[] memory member = contributors(one(delegatorC), one(uint32(1)));
        for (uint256 i; i < 128; ++i) {
            attest(table(ids[i], i % 2 == 0 ? member : nobody(), i % 2 == 1 ? member : nobody(), 1));
        }
        assertEq(distributor.modelsOf(delegatorC).length, 128, "as many as there may be");
        IRewardDistributor.ContributorTable memory t = table(ids[128], member, nobody(), 1);
        bytes memory signature = signDigest(distributor.tableDigest(t), "attester");
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.TooManyTables.selector, delegatorC));
        distributor.setContributors(t, attester, signature);
        t = table(ids[128], nobody(), member, 1);
        signature = signDigest(distributor.tableDigest(t), "attester");
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.TooManyTables.selector, delegatorC));
        distributor.setContributors(t, attester, signature);

        attest(table(ids[64], nobody(), nobody(), 2));
        distributor.setContributors(t, attester, signature);

        ModelId[] memory listed = distributor.modelsOf(delegatorC);
        assertEq(listed.length, 128, "one left, one came");
        assertTrue(listed[64] == ids[127], "the last took the place that was left");
        assertTrue(listed[127] == ids[128], "the new one is last");
    }

    function _refused(IRewardDistributor.Contributor[] memory members, bytes memory revertData) private {
        IRewardDistributor.ContributorTable memory t = table(modelId, members, nobody(), 2);
        bytes memory signature = signDigest(distributor.tableDigest(t), "attester");
        vm.expectRevert(revertData);
        distributor.setContributors(t, attester, signature);
        t = table(modelId, nobody(), members, 2);
        signature = signDigest(distributor.tableDigest(t), "attester");
        vm.expectRevert(revertData);
        distributor.setContributors(t, attester, signature);
    }

    /// @dev Weights 1, 2, 3 and so on: 2,080 in all for 64 members.
    function _many(uint256 count) private pure returns (IRewardDistributor.Contributor[] memory members) {
        members = new IRewardDistributor.Contributor[](count);
        for (uint256 i; i < count; ++i) {
            members[i] = IRewardDistributor.Contributor(address(uint160(i + 1)), uint32(i + 1));
        }
    }
}
